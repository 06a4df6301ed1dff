/** What a run wrote: any length, in its colours, followed as it grows, searched, linked by line. */
import { For, Show, createMemo, onMount } from 'solid-js';
import { count } from '../base/text.ts';
import { Fault } from '../parts/basics.tsx';
import { LogBar } from './log-bar.tsx';
import { LogLine } from './log-line.tsx';
import { useLogView } from './log-view.ts';
import type { LinkedLines } from './log-view.ts';
import type { RunSource } from './source.ts';
import '../styles/log.css';

export default function LogTab(props: { source: RunSource }) {
  const view = useLogView(props.source);
  const { log, times, rows, finder, wraps } = view;
  const drawn = createMemo(() => {
    log.version();
    const first = wraps() ? rows.firstSeen() : rows.first();
    return log
      .text()
      .draw(first, rows.last())
      .map((pieces, index) => ({ pieces, line: first + index }));
  });
  return (
    <section class="panel log" classList={{ 'is-wide': view.isWide() }} aria-label="Log">
      <LogBar source={props.source} view={view} />
      <Fault error={log.error() ?? times.error()} />
      <div
        class="log-scroll"
        classList={{ 'is-wrapped': wraps() }}
        tabIndex={0}
        role="region"
        aria-label="Lines"
        ref={(element) => onMount(() => rows.bind(element))}
        onScroll={view.onScroll}
      >
        <div class="log-lines" style={{ height: `${rows.total()}px` }}>
          <For each={drawn()}>
            {({ pieces, line }) => (
              <LogLine
                pieces={pieces}
                number={line + 1}
                time={times.isShown() ? { at: times.of(line) } : undefined}
                y={rows.yOf(wraps() ? rows.firstSeen() : line)}
                isLinked={isBetween(view.linked(), line + 1)}
                isFound={finder.at() === line}
                onPick={(isEnd) => view.pick(line + 1, isEnd)}
              />
            )}
          </For>
        </div>
        <Show when={view.lines() === 0}>
          <p class="empty">{emptyText(view.attempt(), log.isComplete())}</p>
        </Show>
      </div>
      <Show when={view.missed() > 0}>
        <button class="log-new is-first" onClick={() => view.follow(true)}>
          {count(view.missed())} new lines ↓
        </button>
      </Show>
    </section>
  );
}

function emptyText(attempt: number, isComplete: boolean): string {
  if (attempt === 0) return 'It has not been started yet.';
  return isComplete ? 'It wrote nothing.' : 'Nothing yet.';
}

function isBetween(lines: LinkedLines | undefined, line: number): boolean {
  return lines !== undefined && line >= lines.from && line <= lines.to;
}
