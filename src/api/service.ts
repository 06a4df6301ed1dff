export type * from '../protocol/service.ts';
