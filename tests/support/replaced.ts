/**
 * Functions of the runtime that a test takes the place of.
 *
 * @module
 */

/** While it lasts, `object` has what `make` makes of its own function `name`. */
export function replaced<T, Name extends keyof T>(
  object: T,
  name: Name,
  make: (own: T[Name]) => T[Name],
): Disposable {
  const own = object[name];
  object[name] = make(own);
  return { [Symbol.dispose]: () => void (object[name] = own) };
}

/** While it lasts, each connection that is made is given to `see` before its maker has it. */
export function seeingConnections(see: (conn: Deno.TcpConn) => void): Disposable {
  return replaced(Deno, "connect", (connect) => {
    const seeing = async (options: Deno.ConnectOptions) => {
      const conn = await connect(options);
      see(conn);
      return conn;
    };
    return seeing as typeof Deno.connect;
  });
}
