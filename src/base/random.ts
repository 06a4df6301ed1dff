import { randomFillSync } from 'node:crypto';
import { customRandom } from 'nanoid';

/** Randomness, as a port. A fork with the same name under the same seed draws the same numbers. */
export interface Random {
  /** A number in [0, 1). */
  float: () => number;
  bytes: (size: number) => Uint8Array;
  /** A stream of its own, so that a new draw in one part moves nothing in another. */
  fork: (name: string) => Random;
}

/** Drawn ahead, since a call to the system for a few bytes costs as much as for thousands. */
const pool = new Uint8Array(8192);
let drawn = pool.length;

function systemBytes(size: number): Uint8Array {
  if (size > pool.length / 4) return randomFillSync(new Uint8Array(size));
  if (drawn + size > pool.length) {
    randomFillSync(pool);
    drawn = 0;
  }
  const bytes = pool.slice(drawn, drawn + size);
  pool.fill(0, drawn, drawn + size);
  drawn += size;
  return bytes;
}

/** Without a view of its own for four bytes. */
function systemFloat(): number {
  if (drawn + 4 > pool.length) {
    randomFillSync(pool);
    drawn = 0;
  }
  let value = 0;
  for (const end = drawn + 4; drawn < end; drawn++) {
    value = value * 256 + pool[drawn]!;
    pool[drawn] = 0;
  }
  return value / 2 ** 32;
}

export const systemRandom: Random = {
  float: systemFloat,
  bytes: systemBytes,
  fork: () => systemRandom,
};

/** A generator (sfc32) whose every draw follows from the seed. */
export function seededRandom(seed: number | string): Random {
  const name = String(seed);
  let [a, b, c, d] = [hash(name, 1), hash(name, 2), hash(name, 3), 1];

  function uint32(): number {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return t >>> 0;
  }
  for (let i = 0; i < 12; i++) uint32();

  return {
    float: () => uint32() / 2 ** 32,
    bytes: (size) => Uint8Array.from({ length: size }, () => uint32() & 0xff),
    fork: (child) => seededRandom(`${name}/${child}`),
  };
}

/** FNV-1a with a salt. */
function hash(text: string, salt: number): number {
  let value = (2166136261 ^ salt) >>> 0;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
  return value >>> 0;
}

/** Lower-case Crockford base 32: no letter that is taken for a digit, safe in a path and a URL. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** Makes identifiers; ids made later sort after ids made earlier, to the millisecond. */
export interface Ids {
  /** Sixteen characters: nine of time, seven of chance. */
  sortable: (wallMs: number) => string;
  /** `size` characters of chance (5 bits each). */
  random: (size: number) => string;
}

export function makeIds(random: Random): Ids {
  const bytes = (size: number) => random.bytes(size);
  const draw = new Map<number, () => string>();
  function random_(size: number): string {
    let make = draw.get(size);
    if (!make) draw.set(size, (make = customRandom(ALPHABET, size, bytes)));
    return make();
  }
  return {
    sortable: (wallMs) => timePart(wallMs) + random_(7),
    random: random_,
  };
}

function timePart(wallMs: number): string {
  let text = '';
  for (let rest = Math.max(0, Math.floor(wallMs)), i = 0; i < 9; i++) {
    text = ALPHABET[rest % 32]! + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
