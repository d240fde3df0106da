/**
 * Gives what `work` gives, if that takes at most `ms` milliseconds. Else it closes `conn`, so that
 * what reads or writes there ends, and throws an Error with the name `"TimeoutError"`. No timer
 * is left.
 */
export async function within<Result>(
  ms: number,
  conn: { close(): void },
  work: Promise<Result>,
): Promise<Result> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    conn.close();
  }, ms);
  try {
    return await work;
  } catch (error) {
    // closing the connection made the work fail: say why
    if (late) throw new DOMException(`took more than ${ms} ms`, "TimeoutError");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
