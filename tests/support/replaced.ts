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

/** While it lasts, each timer runs for the milliseconds that `ms` makes of its own. */
export function retimed(ms: (own: number) => number): Disposable {
  return replaced(globalThis, "setTimeout", (own) => {
    const timer = (act: () => void, wanted = 0) => own(act, ms(wanted));
    return timer as typeof own;
  });
}

/** While it lasts, intervals pass 25 times as fast: `passed` is how many of their milliseconds have. */
export function hurried(): Disposable & { readonly passed: number } {
  const time = { passed: 0 };
  const faster = replaced(globalThis, "setInterval", (own) => {
    const interval = (act: () => void, ms = 0) =>
      own(() => {
        time.passed += ms;
        act();
      }, ms / 25);
    return interval as typeof own;
  });
  return Object.assign(time, faster);
}

type Connect = (options: Deno.ConnectOptions) => Promise<Deno.TcpConn>;

/** While it lasts, connections are made as `make` says, which is given how they are made else. */
export function connecting(make: (own: Connect) => Connect): Disposable {
  return replaced(Deno, "connect", (own) => make(own as Connect) as typeof Deno.connect);
}

/** While it lasts, each connection that is made is given to `see` before its maker has it. */
export function seeingConnections(see: (conn: Deno.TcpConn) => unknown): Disposable {
  return connecting((connect) => async (options) => {
    const conn = await connect(options);
    await see(conn);
    return conn;
  });
}

type Write = (p: Uint8Array) => Promise<number>;

/** While it lasts, files are written as `how` says, which is given how they are written else. */
export function writing(how: (write: Write, p: Uint8Array) => Promise<number>): Disposable {
  return replaced(
    Deno.FsFile.prototype,
    "write",
    (own) =>
      function (this: Deno.FsFile, p: Uint8Array) {
        return how((p) => own.call(this, p), p);
      },
  );
}

/** What the system says of a full disk. */
export function diskFull(): Error {
  return new Error("No space left on device (os error 28)");
}
