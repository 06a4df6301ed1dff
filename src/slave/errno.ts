/** Whether it is a word of the system's, as that a disk is full, and no bug of ours. */
export function isOfTheSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number';
}

/** Whether the disk is full, or what a user may have of it. */
export function isNoRoom(error: unknown): boolean {
  return isOfTheSystem(error) && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}
