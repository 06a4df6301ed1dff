/** What stands around every page: the bar, the sheet of keys, the palette, what is read out. */
import { For, Show, createEffect, createMemo, createSignal, on } from 'solid-js';
import { needsToken, setToken } from './base/api.ts';
import { areKeysOn, keyGroups, setKeysOn, useKeys } from './base/keys.ts';
import { isLive, listen } from './base/live.ts';
import { matchPath, navigate, path } from './base/router.ts';
import { theme, toggleTheme } from './base/theme.ts';
import { announce, announced, dismissNotice, notice, tell } from './base/use.ts';
import { PAGES } from './pages.ts';
import { Tab } from './parts/basics.tsx';
import { Confirmation, Dialog } from './parts/dialog.tsx';
import { Palette } from './parts/palette.tsx';
import { jump } from './runs/jump.ts';

export function Shell() {
  let main: HTMLElement | undefined;
  const [open, setOpen] = createSignal<'keys' | 'palette'>();
  const found = createMemo(() => {
    for (const page of PAGES) {
      const params = matchPath(page.path, path());
      if (params) return { page, params };
    }
    return undefined;
  });
  const page = createMemo(() => found()?.page);
  createEffect(
    on(page, (now, before) => {
      const title = now?.title ?? 'Not found';
      document.title = `${title} · Runyard`;
      // Who uses a screen reader is put where the new page begins.
      if (before !== undefined) {
        main?.focus({ preventScroll: true });
        window.scrollTo(0, 0);
        announce(title);
      }
    }),
  );
  listen(() => {});
  useShellKeys(setOpen);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main?.focus();
        }}
      >
        To the content
      </a>
      <Bar onKeys={() => setOpen('keys')} />
      <main ref={main} id="main" tabIndex={-1}>
        <Show when={needsToken()}>
          <SignIn />
        </Show>
        <Show when={page()} fallback={<NotFound />} keyed>
          {({ view: View }) => <View params={found()?.params ?? {}} />}
        </Show>
      </main>
      <div class="unseen" role="status" aria-live="polite">
        {announced()}
      </div>
      <Show when={notice()}>
        {(now) => (
          <div class="notice" classList={{ 'is-bad': now().isBad }}>
            <span>{now().text}</span>
            <button class="is-plain" onClick={dismissNotice} aria-label="Dismiss">
              ✕
            </button>
          </div>
        )}
      </Show>
      <Confirmation />
      <Show when={open() === 'keys'}>
        <KeySheet onClose={() => setOpen()} />
      </Show>
      <Show when={open() === 'palette'}>
        <Palette onClose={() => setOpen()} />
      </Show>
    </>
  );
}

function useShellKeys(setOpen: (what: 'keys' | 'palette') => void): void {
  useKeys('Everywhere', [
    { key: '?', does: 'this sheet', act: () => setOpen('keys') },
    { key: 'Ctrl+k', does: 'go to, or do', act: () => setOpen('palette'), anywhere: true },
    {
      key: '/',
      does: 'search',
      act: () => {
        const fields = document.querySelectorAll<HTMLInputElement>('input[data-search]');
        // A page's own search comes before the bar's.
        [...fields].at(-1)?.focus();
      },
    },
    {
      key: 'y',
      does: 'copy the link to here',
      act: () => {
        void navigator.clipboard?.writeText(window.location.href).then(
          () => tell('The link is copied.'),
          () => tell('The browser does not let a page copy here.', true),
        );
      },
    },
    { key: 'D', does: '', act: toggleTheme },
    ...PAGES.flatMap(({ nav, path: to, title }) =>
      nav?.key === undefined
        ? []
        : [{ key: `g ${nav.key}`, does: `go to ${title}`, act: () => navigate(to) }],
    ),
  ]);
}

function Bar(props: { onKeys: () => void }) {
  const isAt = (to: string) => (to === '/' ? path() === '/' : path().startsWith(to));
  return (
    <header class="top">
      <a class="brand" href="/">
        <img src={new URL('./icon.svg', import.meta.url).pathname} alt="" width="22" height="22" />
        runyard
      </a>
      <nav aria-label="Pages">
        <For each={PAGES.filter(({ nav }) => nav)}>
          {({ path: to, nav }) => (
            <Tab href={to} isAt={isAt(to)}>
              {nav!.name}
            </Tab>
          )}
        </For>
      </nav>
      <span class="rest" />
      <input
        type="search"
        class="find"
        data-search
        aria-label="Search runs, or jump to an id"
        placeholder="Search…  /"
        onKeyDown={(event) => {
          const field = event.currentTarget;
          if (event.key === 'Escape') field.blur();
          if (event.key !== 'Enter' || field.value.trim() === '') return;
          jump(field.value.trim());
          field.value = '';
          field.blur();
        }}
      />
      <span class="live" classList={{ 'is-on': isLive() }} data-live={isLive()}>
        {isLive() ? 'live' : 'waiting'}
      </span>
      <button
        class="is-plain"
        onClick={toggleTheme}
        aria-label={`Show it ${theme() === 'dark' ? 'light' : 'dark'}`}
      >
        {theme() === 'dark' ? '☀' : '☾'}
      </button>
      <button class="is-plain" onClick={() => props.onKeys()} aria-label="Keys">
        ?
      </button>
    </header>
  );
}

function KeySheet(props: { onClose: () => void }) {
  const named = () =>
    keyGroups()
      .map(({ name, keys }) => ({ name, keys: keys.filter(({ does }) => does !== '') }))
      .filter(({ keys }) => keys.length > 0);
  return (
    <Dialog label="Keys" class="sheet" onClose={props.onClose}>
      <div class="body">
        <h1>Keys</h1>
        <For each={named()}>
          {({ name, keys }) => (
            <>
              <h2>{name}</h2>
              <dl>
                <For each={keys}>
                  {({ key, does }) => (
                    <>
                      <dt>
                        <kbd>{key.replace('Arrow', '').replace('Ctrl+k', 'Ctrl+K')}</kbd>
                      </dt>
                      <dd>{does}</dd>
                    </>
                  )}
                </For>
              </dl>
            </>
          )}
        </For>
        <label class="bar">
          <input
            type="checkbox"
            checked={areKeysOn()}
            onChange={({ currentTarget }) => setKeysOn(currentTarget.checked)}
          />
          Single keys do something
        </label>
      </div>
    </Dialog>
  );
}

function SignIn() {
  const [text, setText] = createSignal('');
  return (
    <form
      class="panel"
      aria-label="Sign in"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(text().trim());
      }}
    >
      <header>
        <h2>This master asks for a token</h2>
      </header>
      <div class="inner bar">
        <input
          type="password"
          class="grow"
          aria-label="Token"
          autocomplete="current-password"
          placeholder="token"
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <button type="submit" class="is-first">
          Use it
        </button>
        <span class="soft">It is kept until this tab is closed.</span>
      </div>
    </form>
  );
}

function NotFound() {
  return (
    <div class="empty">
      <h1>There is no such page</h1>
      <p>
        See the <a href="/">overview</a> or the <a href="/runs">runs</a>.
      </p>
    </div>
  );
}
