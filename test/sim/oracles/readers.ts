/** S17, S32: who watches, lists and follows all the time is told all there is, once and in order. */
import { sha256Of } from '../../../src/base/sha256.ts';
import { isDone } from '../../../src/protocol/run.ts';
import type { HistoryEvent } from '../../../src/protocol/http.ts';
import type { MasterService, Watcher } from '../../../src/protocol/service.ts';
import { KIND } from '../kernel.ts';
import type { Life } from '../kernel.ts';
import type { MakeOracle } from './oracle.ts';

const LIST_MS = 3_000;
const WATCH_MS = 2_000;
const NEWCOMER_MS = 7_000;
const FOLLOW_MS = 500;
/** More than any scenario has: clients of a large cluster submit some twice. */
const ALL = 100_000;

export const readerOracles: MakeOracle = (sight) => {
  const { kernel, mirror, master, scenario, report } = sight;
  if (!scenario.isRead) return {};
  /** The number of the last event that was told. */
  let heard = 0;
  /** How much there was to tell when a list, and when a newcomer, was last asked for. */
  let listedAt = 0;
  let toldAt = 0;
  /** What followers read to its end, by attempt. */
  const read = new Map<string, { bytes: number; sha256: string }>();

  function every(ms: number, life: Life, act: () => void): void {
    kernel.after(
      ms * 1000,
      KIND.client,
      () => {
        act();
        every(ms, life, act);
      },
      life,
    );
  }

  /** Goes away and comes back again and again, and asks for what was missed. */
  function watchAll(service: MasterService, life: Life): void {
    let watcher: Watcher | undefined;
    let turns = 0;
    const again = () => {
      watcher?.stop();
      const turn = ++turns;
      const hear = (events: HistoryEvent[]) => turn === turns && events.forEach(hearEvent);
      void service.watch(heard, hear).then((opened) => {
        if (turn === turns) watcher = opened;
        else opened.stop();
      }, ignore);
    };
    again();
    every(WATCH_MS, life, again);
  }

  /** Who is new is told all from the beginning, and what happens meanwhile. */
  function beNew(service: MasterService): void {
    let last = 0;
    let watcher: Watcher | undefined;
    let isOver = false;
    const hear = (events: HistoryEvent[]) => {
      for (const { seq } of events) {
        if (seq !== last + 1) report('S32', `event ${seq} is told to a newcomer after ${last}`);
        last = seq;
      }
      // Some that happen after it came.
      isOver ||= last > cameAt + 5;
      if (isOver) watcher?.stop();
    };
    const cameAt = mirror.lastSeq;
    void service.watch(0, hear).then((opened) => {
      watcher = opened;
      if (isOver) opened.stop();
    }, ignore);
  }

  /** Of what grows, all is asked for when it has grown by a part: each event is read a few times. */
  function hasGrown(since: number, parts: number): boolean {
    return mirror.lastSeq > since + parts;
  }

  function hearEvent({ seq }: HistoryEvent): void {
    if (seq !== heard + 1) report('S32', `event ${seq} is told after event ${heard}`);
    if (seq > mirror.lastSeq) report('S32', `event ${seq} is told before it is on disk`);
    heard = Math.max(heard, seq);
  }

  async function list(service: MasterService): Promise<void> {
    const before = [...mirror.runs.values()];
    const states = new Map<string, string>();
    for (const { runId, state } of (await service.listRuns({ limit: ALL })).runs) {
      if (states.has(runId)) report('S32', `run ${runId} is listed twice`);
      states.set(runId, state);
    }
    for (const { id, state: was } of before) {
      const state = states.get(id);
      if (state === undefined) report('S32', `run ${id} is not listed`);
      else if (isDone(was) && state !== was) {
        report(
          'S17',
          `run ${id} was ${was} when the list was asked for, and is listed as ${state}`,
        );
      }
    }
  }

  async function follow(service: MasterService, id: string, attempt: number): Promise<void> {
    const options = { attempt, follow: true };
    const { signal } = new AbortController();
    const { body } = await service.openOutput(id, 'combined', options, signal);
    const chunks: Buffer[] = [];
    body.on('error', ignore);
    body.on('data', (chunk: Buffer) => void chunks.push(chunk));
    body.on('end', () => {
      const bytes = Buffer.concat(chunks);
      read.set(`${id}.${attempt}`, { bytes: bytes.length, sha256: sha256Of(bytes) });
      checkTimes(service, id, attempt).catch(ignore);
    });
  }

  async function checkTimes(service: MasterService, id: string, attempt: number): Promise<void> {
    const { marks } = await service.outputTimes(id, 'combined', { attempt });
    for (const [index, [offset, at]] of marks.entries()) {
      const [before, atBefore] = marks[index - 1] ?? [-1, 0];
      if (offset > before && at >= atBefore) continue;
      report('S32', `byte ${offset} of run ${id} came at ${at}, byte ${before} at ${atBefore}`);
    }
  }

  function followAll(service: MasterService, life: Life): void {
    const followed = new Set<string>();
    every(FOLLOW_MS, life, () => {
      for (const [id, { state, context }] of mirror.folds) {
        const key = `${id}.${context.attempt}`;
        if (!state.startsWith('RUNNING') || followed.has(key)) continue;
        followed.add(key);
        follow(service, id, context.attempt).catch(ignore);
      }
    });
  }

  /** What is there when all is over. */
  function checkRead(): void {
    for (const [id, { state, context }] of mirror.folds) {
      const told = read.get(`${id}.${context.attempt}`);
      const facts = context.outputs?.combined;
      if (!told || !facts || !isDone(state) || context.settled !== context.attempt) continue;
      if (told.bytes !== facts.bytes || told.sha256 !== facts.sha256) {
        report('S32', `who follows run ${id} was told ${told.bytes} of ${facts.bytes} bytes`);
      }
    }
  }

  return {
    onMasterServes() {
      const { life } = master;
      const { service } = master.master!;
      if (!life) return;
      watchAll(service, life);
      followAll(service, life);
      every(NEWCOMER_MS, life, () => {
        if (!hasGrown(toldAt, toldAt / 4)) return;
        toldAt = mirror.lastSeq;
        beNew(service);
      });
      every(LIST_MS, life, () => {
        if (!hasGrown(listedAt, mirror.runs.size / 2)) return;
        listedAt = mirror.lastSeq;
        void list(service).catch(ignore);
      });
    },
    onEnd(isStuck) {
      checkRead();
      if (!isStuck && heard !== mirror.lastSeq) {
        report('S32', `event ${heard} was told last, ${mirror.lastSeq} is on disk`);
      }
    },
  };
};

/** Its master is ending: the next one is asked again. */
function ignore(): void {}
