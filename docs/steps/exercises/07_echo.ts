import { todo } from "./todo.ts";

/**
 * Sends back to each peer what it sends, until its end, and then closes; to all of them at the
 * same time. What a peer does ends its own connection only. Ends when `listener` is closed.
 */
export async function serveEcho(listener: Deno.TcpListener): Promise<void> {
  await todo(listener);
}
