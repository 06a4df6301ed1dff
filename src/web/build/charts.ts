/** Gives the page its machines, drawn: one module, `virtual:charts`, made from the definitions. */
import type { Plugin } from 'vite';
import type { AnyStateMachine } from 'xstate';
import { agentMachine } from '../../machines/agent.ts';
import { chartOf } from '../../machines/chart.ts';
import { jobMachine } from '../../machines/job.ts';
import { runMachine } from '../../machines/run.ts';
import { slaveMachine } from '../../machines/slave.ts';
import { layOut } from './layout.ts';

const MACHINES: readonly AnyStateMachine[] = [runMachine, jobMachine, slaveMachine, agentMachine];
const PREFIX = 'virtual:chart/';

export function charts(): Plugin {
  return {
    name: 'runyard-charts',
    resolveId: (id) => (id.startsWith(PREFIX) ? `\0${id}` : undefined),
    async load(id) {
      if (!id.startsWith(`\0${PREFIX}`)) return undefined;
      const name = id.slice(PREFIX.length + 1);
      const machine = MACHINES.find((one) => one.id === name);
      if (!machine) this.error(`there is no machine called ${name}`);
      const drawn = await layOut(chartOf(machine));
      // Parsed as JSON, which browsers do faster than JavaScript.
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(drawn))});`;
    },
  };
}
