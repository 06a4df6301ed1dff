import type { DirectiveTable } from './directive.ts';
import { dummy } from './dummy.ts';
import { exitcode } from './exitcode.ts';
import { python } from './python.ts';
import { resultsdb } from './resultsdb.ts';
import { shell } from './shell.ts';

/** Every directive by the name that formulas use. */
export const DIRECTIVES: DirectiveTable = { dummy, exitcode, python, resultsdb, shell };
