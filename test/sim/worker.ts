/** Plays the chunks that its parent sends, until there are no more. */
import { playChunk } from './range.ts';
import type { Chunk, RangeOptions } from './range.ts';

const options = JSON.parse(process.argv[2]!) as RangeOptions;
process.on('message', (chunk) => {
  void playChunk(chunk as Chunk, options).then((report) => process.send!(report));
});
