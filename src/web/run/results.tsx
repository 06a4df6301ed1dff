/** What a run found: its results in TAP, and the files that it kept. */
import { For, Show, createMemo } from 'solid-js';
import type { RunStatus } from '../../protocol/run.ts';
import { ask, segment } from '../base/api.ts';
import { download } from '../base/download.ts';
import { bytes, plural } from '../base/text.ts';
import { useLoaded } from '../base/load.tsx';
import { attempt } from '../base/use.ts';
import { Panel } from '../parts/basics.tsx';
import type { RunSource } from './source.ts';
import { readTap } from './tap.ts';
import '../styles/results.css';

type Artifact = NonNullable<RunStatus['artifacts']>[number];

const SHOWN_BYTES_MAX = 2 ** 20;

export default function ResultsTab(props: { source: RunSource }) {
  const artifacts = () => props.source.run()?.artifacts ?? [];
  const taps = createMemo(() =>
    artifacts().filter(({ name, bytes: size }) => name.endsWith('.tap') && size <= SHOWN_BYTES_MAX),
  );
  const pathTo = (name: string) =>
    `/api/runs/${segment(props.source.id)}/artifacts/${name.split('/').map(segment).join('/')}`;
  const save = (artifact: Artifact) =>
    void attempt(async () => {
      const answer = await ask(pathTo(artifact.name));
      download(artifact.name.split('/').at(-1)!, await answer.blob());
      return `${artifact.name} is saved.`;
    });
  return (
    <div class="grid">
      <For each={taps()}>{({ name }) => <Tap name={name} path={pathTo(name)} />}</For>
      <Panel title="Files that it kept">
        <Show when={artifacts().length > 0} fallback={<p class="soft">It kept none.</p>}>
          <ul class="plain-list">
            <For each={artifacts()}>
              {(artifact) => (
                <li class="bar">
                  <button class="is-plain mono" onClick={() => save(artifact)}>
                    {artifact.name}
                  </button>
                  <span class="soft number">{bytes(artifact.bytes)}</span>
                  <span class="soft mono" title={artifact.sha256}>
                    sha256 {artifact.sha256.slice(0, 10)}…
                  </span>
                </li>
              )}
            </For>
          </ul>
        </Show>
      </Panel>
    </div>
  );
}

function Tap(props: { name: string; path: string }) {
  const read = useLoaded(
    () => props.path,
    async (path) => readTap(await (await ask(path)).text()),
  );
  const points = () => read()?.points ?? [];
  const bad = () => points().filter(({ outcome }) => !outcome.isGood).length;
  return (
    <Panel title={props.name}>
      <Show when={read()} fallback={<p class="soft">Reading…</p>}>
        <p>
          {plural(points().length, 'result')}, {bad() === 0 ? 'all good' : `${bad()} not good`}
        </p>
        <ul class="plain-list tap">
          <For each={points()}>
            {(point) => (
              <li>
                <span class={`badge tone-${point.outcome.isGood ? 'COMPLETE' : 'FAILED'}`}>
                  {point.outcome.name}
                </span>{' '}
                {point.text}
                <Show when={point.more !== ''}>
                  <details>
                    <summary>details</summary>
                    <pre class="json" tabIndex={0}>
                      {point.more}
                    </pre>
                  </details>
                </Show>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </Panel>
  );
}
