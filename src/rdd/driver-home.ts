import { homedir } from 'node:os';
import { join } from 'node:path';
import { BlockFiles, type BlockHome } from '../executor/block-files.js';
import { BlockService } from '../executor/block-service.js';
import { blockToken } from '../executor/executor.js';
import { hostIdentity, scratchDirectories } from '../executor/host.js';
import type { Conf } from '../scheduler/conf.js';
import { type EventBus, writeEventLog } from '../scheduler/event-bus.js';
import type { TaskScheduler } from '../scheduler/task-scheduler.js';

/** What an application has opened, closed in the reverse order. One that fails to close does not keep the others open. */
export class Closers {
  readonly #closers: (() => void | Promise<void>)[] = [];

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** @throws the first error of a closer, after all have run */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/**
 * The driver's own blocks (programs, collections, map statuses), in scratch directories that a guardian removes if this
 * process cannot. `SHEAF_BIND` and `SHEAF_ADVERTISE` say where executors reach them; default: loopback.
 */
export async function openDriverBlocks(app: string, secret: string, closers: Closers): Promise<BlockFiles> {
  const scratch = scratchDirectories(app);
  closers.add(() => scratch.remove());
  const token = blockToken(secret);
  const bind = process.env.SHEAF_BIND ?? '127.0.0.1';
  let blocks: BlockFiles;
  const service = await BlockService.listen(bind, token, () => blocks);
  closers.add(() => service.close());
  const home = { holder: app, host: hostIdentity(), url: service.url(process.env.SHEAF_ADVERTISE ?? bind), token };
  blocks = new BlockFiles({ ...home, memoryDirectory: scratch.memory, diskDirectory: scratch.disk });
  return blocks;
}

/** Warns once when the driver and an executor of another host cannot read each other's blocks. */
export function warnOfUnreachable(home: BlockHome, bus: EventBus, tasks: Pick<TaskScheduler, 'executors'>): void {
  const unlisten = bus.listen((event) => {
    if (event.event !== 'executor-joined') return;
    const executor = tasks.executors().find(({ id }) => id === event.executor);
    if (!executor || executor.host === home.host) return;
    const { id, hostname, blockUrl } = executor;
    const mine = isOfThisHostOnly(home.url);
    if (!mine && !isOfThisHostOnly(blockUrl)) return;
    unlisten();
    const message = mine
      ? `executor ${id} runs on another host (${hostname}) and cannot read this driver's blocks at ${home.url}: set SHEAF_BIND (an address to listen on, such as 0.0.0.0) and SHEAF_ADVERTISE (the name under which executors reach this host)`
      : `executor ${id} on ${hostname} offers its blocks at ${blockUrl}, where no other host reaches them: start it with --bind and --advertise`;
    bus.emit({ event: 'warning', message });
  });
}

/** Loopback, or an address that means all of this host's. */
function isOfThisHostOnly(url: string): boolean {
  return /^(localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\])$/.test(new URL(url).hostname);
}

/** Writes the event log where the settings want it: by default below the user's state directory. */
export function openEventLog(conf: Conf, app: string, bus: EventBus, closers: Closers): void {
  if (conf.get('sheaf.eventLog.enabled') !== 'true') return;
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
  const directory = conf.get('sheaf.eventLog.dir') || join(state, 'sheaf', 'events');
  const writer = writeEventLog(bus, join(directory, `${app}.jsonl`));
  closers.add(() => writer.close());
}
