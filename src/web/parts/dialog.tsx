/** Dialogs: opened by a call, answered by a promise, focus goes back to where it was. */
import { For, Show, createSignal, onMount } from 'solid-js';
import type { JSX, ParentProps } from 'solid-js';

export function Dialog(props: ParentProps<{ label: string; class?: string; onClose: () => void }>) {
  let element: HTMLDialogElement | undefined;
  onMount(() => element?.showModal());
  return (
    <dialog
      ref={element}
      class={props.class ?? ''}
      aria-label={props.label}
      onClose={() => props.onClose()}
      onClick={({ target }) => target === element && element.close()}
    >
      {props.children}
    </dialog>
  );
}

export interface Question {
  title: string;
  /** What would happen, with counts. */
  text: JSX.Element;
  /** What the answer is called; asked for where there is one. */
  field?: { label: string; isNeeded: boolean };
  choices?: { label: string; options: readonly { value: string; name: string }[] };
  verb: string;
  isDanger?: boolean;
}

interface Answered {
  text: string;
  choice: string;
}

const [asked, setAsked] = createSignal<
  { question: Question; answer: (given: Answered | undefined) => void } | undefined
>();

/** Asks before something is done; undefined: better not. */
export function confirm(question: Question): Promise<Answered | undefined> {
  return new Promise((resolve) => {
    setAsked({
      question,
      answer(given) {
        setAsked(undefined);
        resolve(given);
      },
    });
  });
}

export function Confirmation() {
  return (
    <Show when={asked()} keyed>
      {({ question, answer }) => <Ask question={question} answer={answer} />}
    </Show>
  );
}

function Ask(props: { question: Question; answer: (given: Answered | undefined) => void }) {
  const [text, setText] = createSignal('');
  const [choice, setChoice] = createSignal(props.question.choices?.options[0]?.value ?? '');
  const isReady = () => !props.question.field?.isNeeded || text().trim() !== '';
  return (
    <Dialog label={props.question.title} onClose={() => props.answer(undefined)}>
      <form
        class="body grid"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady()) props.answer({ text: text().trim(), choice: choice() });
        }}
      >
        <h1>{props.question.title}</h1>
        <div>{props.question.text}</div>
        <Show when={props.question.field}>
          {(field) => (
            <label class="grid">
              {field().label}
              <input
                type="text"
                autofocus
                maxLength={400}
                required={field().isNeeded}
                onInput={({ currentTarget }) => setText(currentTarget.value)}
              />
            </label>
          )}
        </Show>
        <Show when={props.question.choices}>
          {(choices) => (
            <label class="grid">
              {choices().label}
              <select onChange={({ currentTarget }) => setChoice(currentTarget.value)}>
                <For each={choices().options}>
                  {({ value, name }) => <option value={value}>{name}</option>}
                </For>
              </select>
            </label>
          )}
        </Show>
        <div class="bar">
          <button
            type="submit"
            class={props.question.isDanger ? 'is-danger' : 'is-first'}
            disabled={!isReady()}
          >
            {props.question.verb}
          </button>
          <button type="button" onClick={() => props.answer(undefined)}>
            Leave it
          </button>
        </div>
      </form>
    </Dialog>
  );
}
