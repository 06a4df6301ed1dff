/** Keys: each page says which it answers, the sheet of keys is made from that. */
import { createSignal, onCleanup } from 'solid-js';
import { after } from './clock.ts';

export interface Key {
  /** As `KeyboardEvent.key` has it, with `Shift+` or `Ctrl+` before it; `g r` is one after another. */
  key: string;
  does: string;
  act: (event: KeyboardEvent) => void;
  /** Works in fields, too. */
  anywhere?: boolean;
}

const [groups, setGroups] = createSignal<readonly { name: string; keys: readonly Key[] }[]>([]);
export { groups as keyGroups };

const OFF = 'runyard.keys';
const [areKeysOn, setKeysOnSignal] = createSignal(window.localStorage.getItem(OFF) !== 'off');
export { areKeysOn };

/** Single keys can be turned off, for those whose voice or hand types them unawares. */
export function setKeysOn(on: boolean): void {
  window.localStorage.setItem(OFF, on ? 'on' : 'off');
  setKeysOnSignal(on);
}

/** As long as the component that says so is there; those said last win. */
export function useKeys(name: string, keys: readonly Key[]): void {
  const group = { name, keys };
  setGroups((before) => [...before, group]);
  onCleanup(() => setGroups((before) => before.filter((one) => one !== group)));
}

const SECOND_KEY_MS = 1500;

export function startKeys(): void {
  let first = '';
  let forget = () => {};
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = nameOf(event);
    const inField = isField(event.target);
    const all = groups().flatMap(({ keys }) => keys);
    const wanted = first === '' ? name : `${first} ${name}`;
    const fits = (one: Key) =>
      one.key === wanted &&
      (one.anywhere || (!inField && (areKeysOn() || one.key.startsWith('Ctrl+'))));
    const found = all.findLast(fits);
    forget();
    first = '';
    if (found) {
      event.preventDefault();
      return found.act(event);
    }
    if (inField || !areKeysOn() || !all.some(({ key }) => key.startsWith(`${name} `))) return;
    first = name;
    forget = after(SECOND_KEY_MS, () => (first = ''));
  });
}

function nameOf({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): string {
  const isLong = key.length > 1 || /[A-Z]/.test(key);
  const modifiers = [
    ...(ctrlKey || metaKey ? ['Ctrl'] : []),
    ...(altKey ? ['Alt'] : []),
    ...(shiftKey && isLong ? ['Shift'] : []),
  ];
  return [...modifiers, key].join('+');
}

function isField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) {
    return !['checkbox', 'radio', 'range', 'button'].includes(target.type);
  }
  return target.isContentEditable || ['TEXTAREA', 'SELECT'].includes(target.tagName);
}
