import type { Clock } from './clock.ts';

/**
 * Places where the simulator may make something rare happen that is allowed to happen: a delay, a
 * small piece, a refusal, a thing done twice (dst.md part 2.7).
 */
export const BUGGIFY_SITES = [
  'master.acknowledge.never',
  'master.assign.late',
  'master.follow.late',
  'master.grant.withdrawn',
  'master.place.later',
  'master.renew.never',
  'master.report.again',
  'master.send.alone',
  'master.submit.late',
  'master.welcome.late',
  'slave.assign.refused',
  'slave.beat.skipped',
  'slave.chunk.tiny',
  'slave.hello.bare',
  'slave.hello.late',
  'slave.report.late',
  'slave.retry.soon',
  'slave.start.late',
] as const;
export type BuggifySite = (typeof BUGGIFY_SITES)[number];

/** Only a simulated clock has chances; what is built to serve holds none of these calls. */
export function buggify(clock: Clock, site: BuggifySite): boolean {
  return clock.buggify !== undefined && clock.buggify(site);
}
