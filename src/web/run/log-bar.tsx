/** The bar above a log: what of it is shown, and how. */
import { For, Show, onCleanup } from 'solid-js';
import { ask, segment } from '../base/api.ts';
import { after } from '../base/clock.ts';
import { download } from '../base/download.ts';
import { query, setQuery } from '../base/router.ts';
import { bytes, count } from '../base/text.ts';
import { attempt as tryTo } from '../base/use.ts';
import type { useFinder } from './log-finder.ts';
import { STREAMS } from './log-view.ts';
import type { LogView } from './log-view.ts';
import type { RunSource } from './source.ts';

export function LogBar(props: { source: RunSource; view: LogView }) {
  const view = () => props.view;
  const attempts = () => props.source.run()?.attempt ?? 0;
  return (
    <header class="bar">
      <Find finder={view().finder} onMove={view().goToMatch} />
      <button aria-pressed={view().follows()} onClick={() => view().follow(!view().follows())}>
        Follow
      </button>
      <Choice
        label="Stream"
        value={view().stream()}
        options={STREAMS}
        onPick={(value) => setQuery({ stream: value })}
      />
      <Show when={attempts() > 1}>
        <Choice
          label="Attempt"
          value={String(view().attempt())}
          options={Array.from({ length: attempts() }, (_, index) => String(index + 1))}
          onPick={(value) => setQuery({ attempt: value })}
        />
      </Show>
      <Downloads
        source={props.source}
        stream={view().stream()}
        attempt={view().attempt()}
        plain={() => view().log.text().plain()}
      />
      <span class="rest" />
      <span class="soft number" data-lines={view().lines()}>
        {count(view().lines())} lines, {bytes((view().log.version(), view().log.text().size))}
        {view().log.isComplete() ? '' : ' so far'}
      </span>
      <button
        aria-pressed={view().times.isShown()}
        title="When lines were written"
        onClick={() => view().showTimes(!view().times.isShown())}
      >
        Times
      </button>
      <button aria-pressed={view().wraps()} title="Wrap long lines" onClick={() => view().rewrap()}>
        Wrap
      </button>
      <button
        aria-pressed={view().isWide()}
        title="Full screen"
        onClick={() => view().setWide((before) => !before)}
      >
        Full
      </button>
    </header>
  );
}

function Find(props: { finder: ReturnType<typeof useFinder>; onMove: (by: 1 | -1) => void }) {
  let callOff = () => {};
  onCleanup(() => callOff());
  return (
    <span class="bar log-find">
      <input
        type="search"
        data-search
        aria-label="Search the log"
        placeholder="Search the log  /"
        value={query('find') ?? ''}
        onInput={({ currentTarget: { value } }) => {
          callOff();
          callOff = after(200, () => setQuery({ find: value }));
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
          if (event.key !== 'Enter') return;
          event.preventDefault();
          callOff();
          setQuery({ find: event.currentTarget.value });
          props.onMove(event.shiftKey ? -1 : 1);
        }}
      />
      <Show when={query('find')}>
        <span class="soft number" data-matches={props.finder.count()} aria-live="polite">
          {props.finder.at() === undefined ? '' : `${count(props.finder.place())} of `}
          {count(props.finder.count())}
          {props.finder.isDone() ? '' : '…'}
        </span>
        <button aria-label="Match before" onClick={() => props.onMove(-1)}>
          ↑
        </button>
        <button aria-label="Next match" onClick={() => props.onMove(1)}>
          ↓
        </button>
      </Show>
    </span>
  );
}

function Choice(props: {
  label: string;
  value: string;
  options: readonly string[];
  onPick: (value: string) => void;
}) {
  return (
    <select
      aria-label={props.label}
      onChange={({ currentTarget }) => props.onPick(currentTarget.value)}
    >
      <For each={props.options}>
        {(option) => (
          <option value={option} selected={option === props.value}>
            {props.label === 'Attempt' ? `attempt ${option}` : option}
          </option>
        )}
      </For>
    </select>
  );
}

function Downloads(props: {
  source: RunSource;
  stream: string;
  attempt: number;
  plain: () => Blob;
}) {
  const name = () => `run-${props.source.id}-${props.attempt}-${props.stream}`;
  const saveRaw = () =>
    void tryTo(async () => {
      const path = `/api/runs/${segment(props.source.id)}/outputs/${props.stream}?attempt=${props.attempt}`;
      download(`${name()}.log`, await (await ask(path)).blob());
      return 'The output is saved as it was written.';
    });
  return (
    <>
      <button onClick={saveRaw} title="as it was written">
        Save raw
      </button>
      <button onClick={() => download(`${name()}.txt`, props.plain())} title="without colours">
        Save text
      </button>
    </>
  );
}
