import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import { YardError } from '../base/errors.ts';
import type { StateStore } from './store/port.ts';

/** The store's backup as a stream that goes as fast as it is taken; `onDone`: all of it was. */
export function streamBackup(store: StateStore, onDone: () => void): Readable {
  const body = new PassThrough();
  // Whoever takes it hears of a failure; before that nobody does.
  body.on('error', () => {});
  const closed = new Promise<void>((resolve) => body.once('close', resolve));
  const sink = async (chunk: Uint8Array): Promise<void> => {
    if (!body.destroyed && !body.write(chunk)) await Promise.race([once(body, 'drain'), closed]);
    if (body.destroyed) throw new YardError('net.cut', 'nobody takes the backup any more');
  };
  store.backup(sink).then(
    () => {
      body.once('end', onDone);
      body.end();
    },
    (error: unknown) => void body.destroy(error as Error),
  );
  return body;
}
