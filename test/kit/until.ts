/** Asks again and again until it is so; the test's own time limit ends it. */
export async function until(
  isSo: () => Promise<boolean> | boolean,
  pauseMs: number = 5,
): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, pauseMs));
}
