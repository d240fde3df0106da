/**
 * Sends back to each peer what it sends, until its end, and then closes; to all of them at the
 * same time. What a peer does ends its own connection only. Ends when `listener` is closed.
 */
export async function serveEcho(listener: Deno.TcpListener): Promise<void> {
  const open = new Map<Deno.TcpConn, Promise<void>>();
  for (;;) {
    let conn: Deno.TcpConn;
    try {
      conn = await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) break; // the listener is closed
      // no descriptor is left, most likely: some come back when others leave
      await new Promise((wake) => setTimeout(wake, 100));
      continue;
    }
    open.set(conn, echo(conn).finally(() => open.delete(conn)));
  }
  for (const conn of open.keys()) conn.close();
  await Promise.all(open.values());
}

async function echo(conn: Deno.TcpConn) {
  using _ = conn;
  const buffer = new Uint8Array(16 * 1024);
  try {
    for (let n; (n = await conn.read(buffer)) !== null;) {
      for (let sent = 0; sent < n;) sent += await conn.write(buffer.subarray(sent, n));
    }
  } catch {
    // reset, or closed with the listener: the end of this connection and of nothing else
  }
}
