import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Launch, PeerProcess } from './peer-process.js';

/** What a benchmark's run may use; all of it ends with the run, however that ends. */
export interface Session {
  /** A temporary directory. */
  readonly home: string;
  /** One line of progress, which the next overwrites on a terminal; what ends with a line feed stays. */
  tell(what: string): void;
  /** @param launch is given a temporary directory of the peer's own */
  start(peer: { readonly id: string; readonly title: string; launch(own: string): Launch }): Promise<PeerProcess>;
  /** Prints what is known so far, if the run is ended by Ctrl-C. */
  onInterrupt(conclude: () => void): void;
  readonly interrupted: boolean;
}

/** Runs a benchmark and sets the exit code to what it returns, 1 when it throws. Ctrl-C ends all peers, then the process. */
export async function runSession(name: string, body: (session: Session) => Promise<number>): Promise<void> {
  const started = new Set<PeerProcess>();
  const home = mkdtempSync(join(tmpdir(), 'sheaf-bench-'));
  let interrupted = false;
  let conclude = () => {};

  const tell = (what: string) => {
    if (interrupted) return;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`);
    else if (what.endsWith('\n')) process.stderr.write(what);
  };
  const cleanUp = async () => {
    await Promise.all([...started].map((peer) => (interrupted ? peer.interrupt() : peer.stop())));
    rmSync(home, { recursive: true, force: true });
  };
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => {
      process.stderr.write('\nstopping the peers …\n');
      if (!interrupted) conclude();
      interrupted = true;
      void cleanUp().finally(() => process.exit(code));
    });
  process.once('exit', () => {
    for (const peer of started) peer.kill();
  });

  const session: Session = {
    home,
    tell,
    async start(peer) {
      tell(`starting ${peer.title}`);
      const own = join(home, peer.id);
      mkdirSync(own);
      try {
        return await PeerProcess.start(peer.id, peer.launch(own), join(home, `${peer.id}.log`), started);
      } catch (error) {
        throw new Error(`${peer.title} does not start: ${(error as Error).message}`);
      }
    },
    onInterrupt: (print) => {
      conclude = print;
    },
    get interrupted() {
      return interrupted;
    },
  };
  try {
    const code = await body(session);
    if (!interrupted) process.exitCode = code;
  } catch (error) {
    if (!interrupted) console.error(`${name}: ${(error as Error).message}`);
    process.exitCode = 1;
  } finally {
    if (!interrupted) await cleanUp();
  }
}
