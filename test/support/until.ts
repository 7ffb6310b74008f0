/** Waits until the condition holds; throws when it does not in time. For what tells nobody when it happens. */
export async function until(condition: () => boolean | Promise<boolean>, deadlineMs = 45_000): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Still not so after ${deadlineMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
