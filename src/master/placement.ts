/**
 * Which run goes to which slave. Pure: it is told of queues and rooms, and asked. Runs with the same
 * needs share a class, so that a slave is matched with classes, not with a million runs.
 */
import type { Isolation } from '../protocol/run.ts';
import type { RunFacts } from './records.ts';

export interface Needs {
  arch?: string | undefined;
  labels: Record<string, string>;
  resources: Record<string, number>;
  isolation: Isolation;
  exclusive?: boolean;
}

/** A slave, as far as placing is concerned. */
export interface Room {
  name: string;
  arch: string;
  labels: Record<string, string>;
  resources: Record<string, number>;
  isolations: readonly string[];
  slots: number;
  /** Its slave kills exclusive attempts before its lease is over; from protocol 1.1 on they do. */
  endsExclusive?: boolean;
  /** Connected, welcomed. */
  online: boolean;
  draining: boolean;
  /** Attempts it has, with what each takes of the resources. */
  used: Map<string, Record<string, number>>;
}

export type Predicate =
  | 'arch'
  | 'label'
  | 'isolation'
  | 'exclusive'
  | 'resource'
  | 'offline'
  | 'draining'
  | 'slots'
  | 'resource_busy';

export interface Obstacle {
  name: string;
  predicate: Predicate;
  detail: string;
}

export interface Verdict {
  verdict: 'none_can_ever' | 'offline' | 'draining' | 'all_busy';
  summary: string;
  obstacles: Obstacle[];
}

/** What can never change by waiting: undefined if this slave could ever run it. */
export function permanentObstacle(needs: Needs, room: Room): Obstacle | undefined {
  const { name } = room;
  if (needs.arch !== undefined && needs.arch !== room.arch) {
    return { name, predicate: 'arch', detail: `is ${room.arch}, wanted ${needs.arch}` };
  }
  for (const [key, value] of Object.entries(needs.labels)) {
    if (room.labels[key] === value) continue;
    const has = room.labels[key] === undefined ? 'has none' : `has ${room.labels[key]}`;
    return { name, predicate: 'label', detail: `wanted ${key}=${value}, ${has}` };
  }
  if (needs.isolation !== 'none' && !room.isolations.includes(needs.isolation)) {
    return { name, predicate: 'isolation', detail: `cannot isolate by ${needs.isolation}` };
  }
  if (needs.exclusive && room.endsExclusive === false) {
    return { name, predicate: 'exclusive', detail: 'is too old for exclusive runs' };
  }
  for (const [key, amount] of Object.entries(needs.resources)) {
    const has = room.resources[key] ?? 0;
    if (has >= amount) continue;
    return { name, predicate: 'resource', detail: `wanted ${key} ${amount}, has ${has} in all` };
  }
  return undefined;
}

/** What may pass by waiting. */
export function passingObstacle(needs: Needs, room: Room): Obstacle | undefined {
  const { name } = room;
  if (!room.online) return { name, predicate: 'offline', detail: 'is not connected' };
  if (room.draining) return { name, predicate: 'draining', detail: 'takes no new work' };
  if (room.used.size >= room.slots) {
    return { name, predicate: 'slots', detail: `${room.used.size} of ${room.slots} slots in use` };
  }
  for (const [key, amount] of Object.entries(needs.resources)) {
    let free = room.resources[key] ?? 0;
    for (const taken of room.used.values()) free -= taken[key] ?? 0;
    if (free + ROUNDING >= amount) continue;
    return { name, predicate: 'resource_busy', detail: `wanted ${key} ${amount}, free ${free}` };
  }
  return undefined;
}

/** Sums of fractions are off by less than this. */
const ROUNDING = 1e-9;

export function judge(needs: Needs, rooms: Iterable<Room>): Verdict {
  const obstacles: Obstacle[] = [];
  const passing = new Set<Predicate>();
  for (const room of rooms) {
    const permanent = permanentObstacle(needs, room);
    const obstacle = permanent ?? passingObstacle(needs, room);
    if (!obstacle) {
      return { verdict: 'all_busy', summary: `${room.name} can take it at once`, obstacles: [] };
    }
    obstacles.push(obstacle);
    if (!permanent) passing.add(obstacle.predicate);
  }
  if (passing.has('slots') || passing.has('resource_busy')) {
    return { verdict: 'all_busy', summary: 'every slave that can run this is busy', obstacles };
  }
  if (passing.has('draining')) {
    const summary = 'the slaves that can run this take no new work';
    return { verdict: 'draining', summary, obstacles };
  }
  if (passing.has('offline')) {
    return { verdict: 'offline', summary: 'the slaves that can run this are offline', obstacles };
  }
  const summary =
    obstacles.length === 0
      ? 'no slave has ever connected'
      : 'no slave known here can ever run this';
  return { verdict: 'none_can_ever', summary, obstacles };
}

interface Queued {
  id: string;
  /** Lower goes first: after a loss before its class, then as it came. */
  order: number;
  /** undefined: it was taken or removed, and stays in its list until it comes to the head. */
  class_: QueueClass | undefined;
}

export interface QueueClass {
  key: string;
  needs: Needs;
  /** One list for each priority, each sorted by order; heads are taken from `first`. */
  lists: Map<number, { items: Queued[]; first: number }>;
  size: number;
  /** Rooms that were asked about: whether they could ever run it. A room that changes is another. */
  fits: WeakMap<Room, boolean>;
}

export interface Queue {
  add: (id: string, facts: RunFacts, ahead: boolean) => QueueClass;
  remove: (id: string) => void;
  has: (id: string) => boolean;
  readonly size: number;
  classes: () => Iterable<QueueClass>;
  /** The first of each list, among which is the one that waits longest. */
  heads: () => string[];
  classOf: (facts: RunFacts) => string;
  /** Takes the run that this slave should get next, if there is one that it can run now. */
  takeFor: (room: Room) => string | undefined;
}

export function classKey({ arch = '', labels, resources, isolation, exclusive }: Needs): string {
  const needs = [arch, isolation, sorted(labels), sorted(resources)];
  return JSON.stringify(exclusive ? [...needs, 'exclusive'] : needs);
}

function sorted(map: Record<string, unknown>): [string, unknown][] {
  const entries = Object.entries(map);
  return entries.length < 2 ? entries : entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** So few that no list is too short to be cut: what it costs is shared by as many that left. */
const COMPACTED_AFTER = 8;

/** Runs that go before their class have orders below zero. */
const AHEAD = 2 ** 52;

function endOfAhead({ items, first }: { items: Queued[]; first: number }): number {
  let index = first;
  while (index < items.length && items[index]!.order < 0) index++;
  return index;
}

function newClass(key: string, needs: Needs): QueueClass {
  return { key, needs, lists: new Map(), size: 0, fits: new WeakMap() };
}

function couldEver({ needs, fits }: QueueClass, room: Room): boolean {
  let could = fits.get(room);
  if (could === undefined) fits.set(room, (could = !permanentObstacle(needs, room)));
  return could;
}

export function makeQueue(): Queue {
  const classes = new Map<string, QueueClass>();
  const waiting = new Map<string, Queued>();
  let counter = 0;

  function headOf(class_: QueueClass): { priority: number; head: Queued } | undefined {
    let best: { priority: number; head: Queued } | undefined;
    for (const [priority, list] of class_.lists) {
      while (list.first < list.items.length && !list.items[list.first]!.class_) list.first++;
      const head = list.items[list.first];
      if (!head) class_.lists.delete(priority);
      else if (!best || priority > best.priority) best = { priority, head };
      if (list.first > COMPACTED_AFTER && list.first * 2 > list.items.length) {
        list.items.splice(0, list.first);
        list.first = 0;
      }
    }
    return best;
  }

  function remove(id: string): void {
    const item = waiting.get(id);
    if (item) leave(item);
  }

  function leave(item: Queued): void {
    const class_ = item.class_!;
    item.class_ = undefined;
    waiting.delete(item.id);
    if (--class_.size === 0) classes.delete(class_.key);
  }

  return {
    add(id, facts, ahead) {
      remove(id);
      const key = classKey(facts);
      let class_ = classes.get(key);
      if (!class_) classes.set(key, (class_ = newClass(key, facts)));
      let list = class_.lists.get(facts.priority);
      if (!list) class_.lists.set(facts.priority, (list = { items: [], first: 0 }));
      counter++;
      const item = { id, order: ahead ? counter - AHEAD : counter, class_ };
      if (ahead) list.items.splice(endOfAhead(list), 0, item);
      else list.items.push(item);
      waiting.set(id, item);
      class_.size++;
      return class_;
    },
    remove,
    has: (id) => waiting.has(id),
    get size() {
      return waiting.size;
    },
    classes: () => classes.values(),
    heads() {
      return [...classes.values()].flatMap(({ lists }) =>
        [...lists.values()].flatMap(({ items, first }) => {
          let place = first;
          while (place < items.length && !items[place]!.class_) place++;
          return place < items.length ? [items[place]!.id] : [];
        }),
      );
    },
    classOf: (facts) => classKey(facts),
    takeFor(room) {
      let best: { priority: number; head: Queued } | undefined;
      for (const class_ of classes.values()) {
        if (!couldEver(class_, room) || passingObstacle(class_.needs, room)) continue;
        const head = headOf(class_)!;
        const isBetter =
          !best ||
          head.priority > best.priority ||
          (head.priority === best.priority && head.head.order < best.head.order);
        if (isBetter) best = head;
      }
      if (best) leave(best.head);
      return best?.head.id;
    },
  };
}
