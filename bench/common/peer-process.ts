import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const START_MS = 300_000;
const RUN_MS = 900_000;
const STOP_MS = 15_000;
const INTERRUPT_MS = 5_000;

/** A peer as a long-lived process group that is told one case after the other (the protocol: serve.ts). */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #ended: Promise<void>;
  #wake = () => {};
  #over = false;

  private constructor(
    readonly id: string,
    launch: Launch,
    readonly logFile: string,
  ) {
    const log = openSync(logFile, 'w');
    this.#child = spawn(launch.command, launch.args, {
      stdio: ['pipe', 'pipe', log],
      env: { ...process.env, ...launch.env },
      detached: true, // a group of its own: Ctrl-C reaches the bench alone, which then stops it in order
    });
    closeSync(log);
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      if (!line.startsWith('@@')) return;
      this.#lines.push(line.slice(2));
      this.#wake();
    });
    this.#ended = new Promise((resolve) => {
      const over = () => {
        this.#over = true;
        this.#wake();
        resolve();
      };
      this.#child.once('error', over).once('close', over);
    });
    this.#child.stdin!.on('error', () => {}); // it has ended; the missing answer tells
  }

  /** @throws Error with the end of the peer's log when it does not get ready */
  static async start(id: string, launch: Launch, logFile: string, starting: Set<PeerProcess>): Promise<PeerProcess> {
    const peer = new PeerProcess(id, launch, logFile);
    starting.add(peer);
    await peer.#answer(START_MS);
    return peer;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** @throws Error when the case fails, gives no answer in time, or the process ends */
  async run<Answer extends object>(fields: readonly string[]): Promise<Answer> {
    this.#child.stdin!.write(`${fields.join('\t')}\n`);
    const answer = (await this.#answer(RUN_MS)) as Answer | { error: string };
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }

  /** Closes its stdin, which ends it after the case at hand; whatever is left of its group after a while is killed. */
  async stop(): Promise<void> {
    this.#child.stdin!.end();
    await this.#endWithin(STOP_MS);
  }

  /** Ends it in the middle of a case. */
  async interrupt(): Promise<void> {
    this.#signal('SIGTERM');
    await this.#endWithin(INTERRUPT_MS);
  }

  kill(): void {
    this.#signal('SIGKILL');
  }

  async #endWithin(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([this.#ended, late]);
    clearTimeout(timer);
    this.kill();
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // all of the group have ended
    }
  }

  async #answer(withinMs: number): Promise<unknown> {
    const deadline = Date.now() + withinMs;
    while (this.#lines.length === 0) {
      if (this.#over) throw new Error(`it has ended: ${this.#logTail()}`);
      const left = deadline - Date.now();
      if (left <= 0) {
        this.kill();
        throw new Error(`no answer within ${withinMs / 1000} s: ${this.#logTail()}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return JSON.parse(this.#lines.shift()!);
  }

  #logTail(): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-3).join(' | ') || 'its log is empty';
  }
}
