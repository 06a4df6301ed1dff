/** Every event of a run; what each one holds opens below it. */
import { For, Show, createMemo, createSignal } from 'solid-js';
import type { RunStep } from '../../protocol/devtools.ts';
import { clockTime, parseInstant } from '../base/clock.ts';
import { query, setQuery } from '../base/router.ts';
import { shown } from '../base/text.ts';
import { Badge } from '../parts/basics.tsx';
import { showsNoise } from './source.ts';
import type { RunSource, Travel } from './source.ts';
import '../styles/events.css';

export default function EventsTab(props: { source: RunSource; travel: Travel }) {
  const types = createMemo(() =>
    [...new Set(props.source.withNoise().map(({ type }) => type))].sort(),
  );
  const rows = createMemo(() => {
    const wanted = query('type');
    return fold(props.source.withNoise(), !showsNoise()).filter(
      ({ step }) => wanted === undefined || step.type === wanted,
    );
  });
  return (
    <section class="panel" aria-label="Events">
      <header>
        <h2>Events</h2>
        <span class="rest" />
        <label class="bar soft">
          only{' '}
          <select
            aria-label="Type of event"
            onChange={({ currentTarget }) => setQuery({ type: currentTarget.value })}
          >
            <option value="">all</option>
            <For each={types()}>
              {(type) => (
                <option value={type} selected={type === query('type')}>
                  {type}
                </option>
              )}
            </For>
          </select>
        </label>
        <label class="bar soft">
          <input
            type="checkbox"
            checked={showsNoise()}
            onChange={({ currentTarget }) =>
              setQuery({ noise: currentTarget.checked ? '1' : undefined })
            }
          />
          heartbeats
        </label>
      </header>
      <ol class="events">
        <For each={rows()}>
          {({ step, times }) => (
            <Event
              step={step}
              times={times}
              base={props.source.base}
              isAt={props.travel.step() === step}
            />
          )}
        </For>
      </ol>
    </section>
  );
}

/** Heartbeats in a row as one, with how many they are. */
function fold(steps: readonly RunStep[], folds: boolean): { step: RunStep; times: number }[] {
  const rows: { step: RunStep; times: number }[] = [];
  for (const step of steps) {
    const before = rows.at(-1);
    if (folds && step.noise && before?.step.noise && before.step.from === step.from)
      before.times += 1;
    else rows.push({ step, times: 1 });
  }
  return rows;
}

function Event(props: { step: RunStep; times: number; base: string; isAt: boolean }) {
  const [isOpen, setOpen] = createSignal(false);
  return (
    <li
      classList={{ 'is-at': props.isAt, 'is-noise': props.step.noise === true }}
      data-event={props.step.type}
      data-seq={props.step.noise ? undefined : props.step.seq}
    >
      <button class="event-line" aria-expanded={isOpen()} onClick={() => setOpen(!isOpen())}>
        <span class="soft number">{props.step.noise ? '·' : props.step.n}</span>
        <time class="mono soft" datetime={props.step.at}>
          {clockTime(parseInstant(props.step.at), true)}
        </time>
        <span class="mono event-type">
          {props.step.type}
          {props.times > 1 ? ` ×${props.times}` : ''}
        </span>
        <span class="soft event-actors">
          {props.step.from} → {props.step.to.replace(/^run\/.*/, 'run')}
        </span>
        <Show when={props.step.before !== props.step.after}>
          <Badge state={props.step.after} />
        </Show>
      </button>
      <Show when={isOpen()}>
        <div class="event-more">
          <a href={`${props.base}/machine?at=${props.step.seq}`}>see it on the machine</a>
          <pre class="json" tabIndex={0}>
            {JSON.stringify(props.step.event, null, 2)}
          </pre>
          <p class="mono soft">
            changed:{' '}
            {props.step.changed
              .map((name) => `${name} = ${shown(props.step.context[name])}`)
              .join(', ') || '–'}
          </p>
          <p class="mono soft">effects: {props.step.effects.join(', ') || '–'}</p>
        </div>
      </Show>
    </li>
  );
}
