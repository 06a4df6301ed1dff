/** Gives the page its machines, drawn: modules `virtual:chart/NAME/SHAPE`, made from the definitions. */
import type { Plugin } from 'vite';
import type { AnyStateMachine } from 'xstate';
import { agentMachine } from '../../machines/agent.ts';
import { chartOf } from '../../machines/chart.ts';
import { jobMachine } from '../../machines/job.ts';
import { runMachine } from '../../machines/run.ts';
import { slaveMachine } from '../../machines/slave.ts';
import type { DrawnChart, Shape } from '../base/chart.ts';
import { layOut } from './layout.ts';

const MACHINES: readonly AnyStateMachine[] = [runMachine, jobMachine, slaveMachine, agentMachine];
const PREFIX = 'virtual:chart/';

export function charts(): Plugin {
  return {
    name: 'runyard-charts',
    resolveId: (id) => (id.startsWith(PREFIX) ? `\0${id}` : undefined),
    async load(id) {
      if (!id.startsWith(`\0${PREFIX}`)) return undefined;
      const [name, shape] = id.slice(PREFIX.length + 1).split('/') as [string, Shape];
      const machine = MACHINES.find((one) => one.id === name);
      if (!machine) this.error(`there is no machine called ${name}`);
      const drawn = await draw(machine, shape);
      // Parsed as JSON, which browsers do faster than JavaScript.
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(drawn))});`;
    },
  };
}

async function draw(machine: AnyStateMachine, shape: Shape): Promise<DrawnChart> {
  const { chart, arrows, [shape]: picture } = await layOut(chartOf(machine));
  const transitions = chart.transitions.map((one) => {
    const { source, event, guard, target } = one;
    return { source, event, ...(guard && { guard }), ...(target && { target }) };
  });
  const states = chart.states.map(({ path, type }) => ({ path, type }));
  return { chart: { id: chart.id, states, transitions }, arrows, shape, picture };
}
