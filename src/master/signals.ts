import { constants } from 'node:os';

/** The number of a signal by its name; 0 if this system has none such. */
export function signalNumber(name: string): number {
  return (constants.signals as Record<string, number>)[name] ?? 0;
}
