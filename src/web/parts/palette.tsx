/** Ctrl+K: a few letters lead to a page, a run, or something to do here. */
import { For, createMemo, createSignal } from 'solid-js';
import { keyGroups } from '../base/keys.ts';
import { navigate } from '../base/router.ts';
import { PAGES } from '../pages.ts';
import { jump } from '../runs/jump.ts';
import { Dialog } from './dialog.tsx';

interface Entry {
  name: string;
  hint: string;
  act: () => void;
}

/** Loaded with the shell: keys that are typed at once are meant for it. */
export function Palette(props: { onClose: () => void }) {
  const [text, setText] = createSignal('');
  const [at, setAt] = createSignal(0);
  const entries = createMemo((): Entry[] => {
    const wanted = text().trim().toLowerCase();
    const pages = PAGES.flatMap(({ nav, path, title }): Entry[] =>
      nav ? [{ name: title, hint: path, act: () => navigate(path) }] : [],
    );
    const deeds = keyGroups().flatMap(({ name, keys }) =>
      keys
        .filter(({ key, does }) => does !== '' && !key.startsWith('g ') && key !== 'Ctrl+k')
        .map((key): Entry => ({
          name: key.does,
          hint: `${name} · ${key.key}`,
          act: () => key.act(new KeyboardEvent('keydown')),
        })),
    );
    const found = [...pages, ...deeds].filter(({ name, hint }) =>
      `${name} ${hint}`.toLowerCase().includes(wanted),
    );
    if (wanted === '') return found;
    return [
      ...found,
      { name: `Runs: ${text()}`, hint: 'search, or an id', act: () => jump(text().trim()) },
    ];
  });
  const choose = (index: number) => {
    const entry = entries()[index];
    if (!entry) return;
    props.onClose();
    // Once the dialog has given the focus back.
    queueMicrotask(entry.act);
  };
  const move = (by: number) => {
    const next = (at() + by + entries().length) % entries().length;
    setAt(next);
    document.getElementById(`entry-${next}`)?.scrollIntoView({ block: 'nearest' });
  };
  return (
    <Dialog label="Go to, or do" class="palette" onClose={props.onClose}>
      <input
        type="text"
        role="combobox"
        autofocus
        aria-label="Go to, or do"
        aria-expanded="true"
        aria-controls="entries"
        aria-activedescendant={`entry-${at()}`}
        placeholder="A page, a run's id, something to do…"
        onInput={({ currentTarget }) => {
          setText(currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          const act = {
            ArrowDown: () => move(1),
            ArrowUp: () => move(-1),
            Enter: () => choose(at()),
          }[event.key];
          if (!act) return;
          event.preventDefault();
          act();
        }}
      />
      <ul id="entries" role="listbox" aria-label="What fits">
        <For each={entries()}>
          {(entry, index) => (
            <li
              id={`entry-${index()}`}
              role="option"
              aria-selected={index() === at()}
              onClick={() => choose(index())}
            >
              <span>{entry.name}</span>
              <span class="soft">{entry.hint}</span>
            </li>
          )}
        </For>
      </ul>
    </Dialog>
  );
}
