/** What an action can be: a directive checks its parameters and carries them out. */
import type { z } from 'zod';
import type { CheckDetail } from '../check-detail.ts';
import type { Processes } from '../processes.ts';

export type Tone = 'plain' | 'warning' | 'error';

/** Says a line to the person who watches the task; never part of its output. */
export type Tell = (line: string, tone?: Tone) => void;

export interface DirectiveContext {
  /** The directory of the formula; files named in it are relative to this. */
  taskdir: string;
  /** Where commands run. */
  workdir: string;
  artifactsdir: string;
  /** What results get that name no check; absent: they must. */
  checkname?: string;
  /** The environment of every process. */
  env: Readonly<Record<string, string>>;
  processes: Processes;
  tell: Tell;
  /** Keeps results: they are the task's, whatever happens next. */
  keepResults: (details: readonly CheckDetail[]) => void;
  /** Sets what the task exits with if every action succeeds. */
  setExitCode: (code: number) => void;
}

export interface Directive {
  params: z.ZodType;
  /** Returns what `export` keeps; throws to end the task. */
  run: (params: unknown, context: DirectiveContext) => Promise<unknown>;
}

export type DirectiveTable = Readonly<Record<string, Directive>>;

interface TypedDirective<Schema extends z.ZodType> {
  params: Schema;
  run: (params: z.output<Schema>, context: DirectiveContext) => Promise<unknown>;
}

/** A directive whose `run` gets what its schema has checked. */
export function directive<Schema extends z.ZodType>(typed: TypedDirective<Schema>): Directive {
  return {
    params: typed.params,
    run: (params, context) => typed.run(params as z.output<Schema>, context),
  };
}
