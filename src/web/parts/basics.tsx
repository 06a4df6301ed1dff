/** Small parts that every page is made of. */
import { For, Show, createEffect } from 'solid-js';
import type { JSX, ParentProps } from 'solid-js';
import type { RunStatus } from '../../protocol/run.ts';
import type { ApiError } from '../base/api.ts';
import { segment } from '../base/api.ts';

export function Panel(
  props: ParentProps<{ title: string; tools?: JSX.Element; class?: string; flush?: boolean }>,
) {
  return (
    <section class={`panel ${props.class ?? ''}`} aria-label={props.title}>
      <header>
        <h2>{props.title}</h2>
        <span class="rest" />
        {props.tools}
      </header>
      <Show when={!props.flush} fallback={props.children}>
        <div class="inner">{props.children}</div>
      </Show>
    </section>
  );
}

/** `PENDING.queued` as its state, with the rest behind it. */
export function Badge(props: { state: string; more?: string | undefined }) {
  const outer = () => props.state.split('.')[0]!;
  const inner = () => props.more ?? props.state.split('.')[1];
  return (
    <span class={`badge tone-${outer()}`}>
      {outer()}
      <Show when={inner()}>
        <span>{inner()}</span>
      </Show>
    </span>
  );
}

/** A run that did run but whose command was not content is no success to who looks. */
export function RunBadge(props: { run: Pick<RunStatus, 'state' | 'substate' | 'exitCode'> }) {
  const isBadExit = () => props.run.state === 'COMPLETE' && (props.run.exitCode ?? 0) !== 0;
  return (
    <Show when={isBadExit()} fallback={<Badge state={props.run.state} more={props.run.substate} />}>
      <span class="badge tone-EXIT">COMPLETE exit {props.run.exitCode}</span>
    </Show>
  );
}

export function RunLink(props: { id: string; tab?: string }) {
  return (
    <a class="mono" href={`/runs/${segment(props.id)}${props.tab ? `/${props.tab}` : ''}`}>
      {props.id}
    </a>
  );
}

export function SlaveLink(props: { name: string }) {
  return <a href={`/slaves/${segment(props.name)}`}>{props.name}</a>;
}

export function Fault(props: { error: ApiError | undefined }) {
  return (
    <Show when={props.error}>
      {(error) => (
        <p class="fault" role="alert">
          {error().code}: {error().message}
          <Show when={error().hint}> ({error().hint})</Show>
        </p>
      )}
    </Show>
  );
}

export function Facts(props: { rows: readonly (readonly [string, JSX.Element])[] }) {
  return (
    <dl class="facts">
      <For each={props.rows}>
        {([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        )}
      </For>
    </dl>
  );
}

/** One of a bar that may be wider than its place: the one that is shown is brought into sight. */
export function Tab(props: { href: string; isAt: boolean; children: JSX.Element }) {
  let link!: HTMLAnchorElement;
  createEffect(() => {
    if (props.isAt) queueMicrotask(() => centre(link));
  });
  return (
    <a ref={link} href={props.href} aria-current={props.isAt ? 'page' : undefined}>
      {props.children}
    </a>
  );
}

function centre(link: HTMLElement): void {
  const middleOf = (element: HTMLElement) => {
    const { left, width } = element.getBoundingClientRect();
    return left + width / 2;
  };
  const bar = link.parentElement!;
  bar.scrollLeft += middleOf(link) - middleOf(bar);
}

export function Tabs(props: {
  label: string;
  tabs: readonly { href: string; name: string; count?: number | undefined; isAt: boolean }[];
}) {
  return (
    <nav class="tabs" aria-label={props.label}>
      <For each={props.tabs}>
        {(tab) => (
          <Tab href={tab.href} isAt={tab.isAt}>
            {tab.name}
            <Show when={tab.count !== undefined}>
              <span class="soft number"> {tab.count}</span>
            </Show>
          </Tab>
        )}
      </For>
    </nav>
  );
}
