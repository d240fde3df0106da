/**
 * Two servers behind HAProxy, with the configuration of examples/deploy/, behind nginx, and on one
 * port: each is restarted in turn, and no reply is lost.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { ask, bothUp, Member, startHaproxy, startNginx, STREAM } from "../support/balancers.ts";
import { Caller } from "../support/caller.ts";
import { Folder } from "../support/folder.ts";
import { find, testPeer } from "../support/peers.ts";
import { denoArgs, pause, ROOT, Running } from "../support/process.ts";
import { closedPort } from "../support/servers.ts";

/** Greets in short sessions, eight at a time, as long as `work` takes; each reply has to come. */
async function greetDuring(port: number, work: Promise<void>): Promise<number> {
  let working = true, sessions = 0;
  const worked = work.finally(() => working = false);
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (; working; sessions++) {
      using caller = await Caller.call(port);
      await caller.asks("Ada", "Hello, Ada!");
      await caller.says("exit");
      await caller.hearsEnd();
      await pause(20); // the members need the processor, too
    }
  }));
  await worked;
  return sessions;
}

/**
 * Restarts two servers while client.ts --ping greets: no more is lost than what can be on its way
 * when the server closes the connection, one a restart.
 */
async function pingDuring(port: number, work: () => Promise<unknown>) {
  const args = ["--ping", "--interval=0.02", `--port=${port}`];
  await using client = new Running(Deno.execPath(), denoArgs("client.ts", args));
  await client.heard("stdout", /seq=10\b/);
  await work();
  await client.stop("SIGINT");
  const [, lost] = client.stdout.match(/ (\d+) lost/)!;
  assert(Number(lost) <= 2, client.stdout);
}

/** Works while long and short sessions go through a balancer; no reply may be missing. */
async function losesNothing(port: number, work: () => Promise<void>) {
  let sessions = 0;
  await pingDuring(port, async () => {
    sessions = await greetDuring(port, work());
  });
  assert(sessions > 50, `${sessions} sessions`);
}

testPeer(
  "server.ts behind HAProxy loses nothing when it is restarted, and is missed when it hangs",
  [
    "haproxy",
  ],
  async () => {
    await using one = new Member(["--proxy-protocol"]), two = new Member(["--proxy-protocol"]);
    await Promise.all([one.listens(), two.listens()]);
    const { haproxy, socket } = await startHaproxy(one, two);
    await using _haproxy = haproxy;
    await bothUp(socket);
    const restartBoth = async () => {
      for (const [name, member] of [["one", one], ["two", two]] as const) {
        await ask(socket, `set server greetings/${name} state drain`);
        await member.restart();
        await ask(socket, `set server greetings/${name} state ready`);
        await bothUp(socket);
      }
    };
    await losesNothing(haproxy.port, restartBoth);
    one.running.child.kill("SIGSTOP"); // it accepts, and says nothing
    while (!/^greetings,one,.*,DOWN,/m.test(await ask(socket, "show stat"))) await pause(50);
    for (let i = 0; i < 4; i++) {
      using caller = await Caller.call(haproxy.port);
      await caller.asks("Ada", "Hello, Ada!");
    }
    one.running.child.kill("SIGCONT");
    await bothUp(socket);
    using caller = await Caller.call(haproxy.port);
    const accepted = new RegExp(`Accept new connection from ${caller.address}\\.\\.\\.`);
    await caller.asks("Ada", "Hello, Ada!");
    // the client's address, which only the PROXY header has
    await Promise.all([one, two].map(({ running }) => running.stop())); // all is logged by then
    assert([one, two].some(({ running }) => accepted.test(running.stdout)));
  },
);

testPeer("server.ts behind nginx loses nothing when it drains", ["nginx", STREAM], async () => {
  // nginx is told with the signal, and needs a moment
  await using one = new Member(["--drain=0.3"]), two = new Member(["--drain=0.3"]);
  await Promise.all([one.listens(), two.listens()]);
  const { nginx, configure } = await startNginx(one, two);
  await using _nginx = nginx;
  const restartBoth = async () => {
    for (const member of [one, two]) {
      await configure(member);
      await member.restart();
      await configure();
    }
  };
  await losesNothing(nginx.port, restartBoth);
});

Deno.test({
  name: "server.ts --reuse-port: two processes on one port are restarted in turn",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const flags = ["--allow-net", "--unstable-net"], args = ["--reuse-port"];
    await using one = new Member(args, undefined, flags);
    await one.listens();
    await using two = new Member(args, one.port, flags);
    await two.listens();
    await pingDuring(one.port, async () => {
      for (const member of [one, two]) await member.restart();
    });
  },
});

testPeer("examples/deploy/haproxy.cfg is one for HAProxy", ["haproxy"], async () => {
  const args = ["-c", "-f", `${ROOT}examples/deploy/haproxy.cfg`];
  await using checked = new Running(find("haproxy")!, args);
  await checked.heard("stdout", /Configuration file is valid/);
});

testPeer("examples/deploy/greetings.service is one for systemd", ["systemd-analyze"], async () => {
  // where this machine has the program; the example has where it usually is
  await using folder = new Folder("unit");
  const example = await Deno.readTextFile(`${ROOT}examples/deploy/greetings.service`);
  await Deno.writeTextFile(folder.file("greetings.service"), example);
  const args = ["verify", folder.file("greetings.service")];
  await using verified = new Running(find("systemd-analyze")!, args);
  const { code } = await verified.child.status;
  assertEquals([code, verified.stderr], [0, ""]);
  const [, command] = example.match(/^ExecStart=\/usr\/bin\/env deno ((?:.*\\\n)*.*)$/m)!;
  const words = command!.replaceAll("\\\n", " ").replace("/opt/tcp-trio/", ROOT).trim().split(/\s+/)
    .map((word) => word.replace(":9999", ":0"));
  await using server = new Running(Deno.execPath(), [...words, "--port=0"]);
  await server.heard("stdout", /"event":"listening"/);
});

Deno.test("examples/deploy/kubernetes.yaml starts a server that its probe finds well", async () => {
  const example = await Deno.readTextFile(`${ROOT}examples/deploy/kubernetes.yaml`);
  const port = closedPort();
  /** The two commands, on another port and where this project is. */
  const [serve, probe] = [...example.matchAll(/command:\n((?: +- .*\n)+)/g)].map(([, list]) =>
    list!.trim().split(/\s*- (?=\S)/).slice(1).map((word) =>
      word.trim().replace("/opt/tcp-trio/", ROOT).replace(":9999", `:${port}`)
    )
  );
  assertEquals([serve![0], probe![0]], ["deno", "deno"]);
  await using server = new Running(Deno.execPath(), [...serve!.slice(1), `--port=${port}`]);
  await server.heard("stdout", /"event":"listening"/);
  const args = [...probe!.slice(1), `--port=${port}`];
  await using client = new Running(Deno.execPath(), args);
  assertEquals((await client.child.status).code, 0, client.stderr);
  // the service and the deployment mean the same pods and port
  assertEquals(example.match(/app: greetings/g)?.length, 4);
  assertMatch(example, /name: greeting, containerPort: 9999[^]*targetPort: greeting/);
});
