/** Light or dark: as the system has it, or as was chosen here. */
import { createSignal } from 'solid-js';

const KEY = 'runyard.theme';
type Theme = 'light' | 'dark';

const system = window.matchMedia('(prefers-color-scheme: dark)');
const chosen = window.localStorage.getItem(KEY);
const [theme, setThemeSignal] = createSignal<Theme>(
  chosen === 'light' || chosen === 'dark' ? chosen : system.matches ? 'dark' : 'light',
);
export { theme };

export function startTheme(): void {
  document.documentElement.dataset['theme'] = theme();
  system.addEventListener('change', ({ matches }) => {
    if (window.localStorage.getItem(KEY) === null) show(matches ? 'dark' : 'light');
  });
}

export function toggleTheme(): void {
  const next = theme() === 'dark' ? 'light' : 'dark';
  window.localStorage.setItem(KEY, next);
  show(next);
}

function show(next: Theme): void {
  document.documentElement.dataset['theme'] = next;
  setThemeSignal(next);
}

/** A colour of the theme by its name, for what is drawn on a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
