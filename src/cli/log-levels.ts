import type { LogLevel } from '../base/log.ts';

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];
export type { LogLevel };
