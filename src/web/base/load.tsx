/** What is loaded when it is first needed, in less code than Solid's own Suspense takes. */
import { Show, createEffect, createSignal, on, onCleanup } from 'solid-js';
import type { Component, JSX } from 'solid-js';
import { tell } from './use.ts';

/** A part of the page in a file of its own; until it is here, `waiting` stands in its place. */
export function lazyView<Props extends object>(
  load: () => Promise<{ default: Component<Props> }>,
  waiting: () => JSX.Element = () => <p class="empty">Loading…</p>,
): Component<Props> {
  const [view, setView] = createSignal<Component<Props>>();
  let isAsked = false;
  const ask = async () => {
    isAsked = true;
    try {
      const { default: loaded } = await load();
      setView(() => loaded);
    } catch {
      // A master that was replaced meanwhile serves other files.
      isAsked = false;
      tell('This part of the page cannot be loaded: reload it', true);
    }
  };
  return (props) => {
    if (!isAsked) void ask();
    return (
      <Show when={view()} fallback={waiting()} keyed>
        {(View) => <View {...props} />}
      </Show>
    );
  };
}

/** The value for a key, loaded anew when that changes; undefined until it is here. */
export function useLoaded<Key, Value>(
  key: () => Key,
  load: (key: Key) => Promise<Value>,
): () => Value | undefined {
  const [value, setValue] = createSignal<Value>();
  createEffect(
    on(key, (wanted) => {
      let isOld = false;
      onCleanup(() => (isOld = true));
      setValue(undefined);
      load(wanted).then(
        (loaded) => isOld || setValue(() => loaded),
        (error: unknown) => tell(error instanceof Error ? error.message : String(error), true),
      );
    }),
  );
  return value;
}
