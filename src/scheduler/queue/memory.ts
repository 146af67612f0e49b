import type { DriverChannel, ExecutorChannel, TaskQueue } from '../../protocol/channel.js';
import { type Clock, systemClock } from '../../protocol/clock.js';
import type { SentMessage } from '../../protocol/template.js';
import { ALL, call, type MailKind, type Post, post, warnOnStderr } from './mail.js';

/** Probabilities, 0 to 1, of what may happen to one letter on its way. */
export interface FaultRates {
  readonly lose?: number;
  readonly duplicate?: number;
  /** Delivered later by up to `maxDelayMs`, and so out of order. */
  readonly delay?: number;
  readonly maxDelayMs?: number;
  /** One letter of the text is changed; only a queue with a secret notices. */
  readonly corrupt?: number;
}

export interface MemoryQueueOptions {
  /** Signs everything, as the Redis queue does. Default: no signatures, as nothing leaves the process. */
  readonly secret?: string;
  /** Faults by kind of mail. */
  readonly faults?: { readonly [K in MailKind]?: FaultRates };
  /** Uniform numbers in [0, 1) that decide about faults: give a seeded one. Required with `faults`. */
  readonly random?: () => number;
  /** Times every delivery. Default: real time, and the next turn of the event loop for what is not delayed. */
  readonly clock?: Clock;
  /** Told about refused letters. Default: stderr. */
  readonly warn?: (message: string) => void;
}

export interface MemoryQueue extends TaskQueue {
  /** A view of the same queue by a party with another secret. */
  as(secret: string, warn?: (message: string) => void): TaskQueue;
  /** What a lease that ends does: the executor's queue is gone, drivers are told. */
  loseExecutor(id: string, reason: string): void;
  /** What a lease that ends does: executors are told. */
  loseDriver(id: string): void;
  /** Parties connected: none after everybody has closed. */
  readonly left: { readonly drivers: number; readonly executors: number };
}

interface DriverParty {
  read(text: string): void;
  gone(executor: string, reason: string): void;
}
interface ExecutorParty {
  /** Task letters not yet taken, oldest first. */
  readonly waiting: { readonly id: string; readonly driver: string; readonly text: string }[];
  /** Takes what there are free seats for. */
  take(): void;
  read(text: string): void;
  gone(driver: string): void;
  /** The latest, for drivers that come later. */
  heartbeat?: string;
}

/**
 * The queue of `local[N]`: driver and executor in one process. Letters still pass through JSON, and arrive in a later
 * turn of the event loop, so that what works here works through Redis. With `faults` it is a bad network, for tests.
 *
 * ```ts
 * const queue = memoryQueue();
 * await queue.executor().open(info, seats, handlers);
 * await queue.driver('driver-1').open(handlers);
 * ```
 */
export function memoryQueue(options: MemoryQueueOptions = {}): MemoryQueue {
  const { faults = {}, random, clock, warn = warnOnStderr } = options;
  if (Object.keys(faults).length > 0 && !random) throw new Error('memoryQueue: faults need a seeded `random`');
  const soon = clock ? (run: () => void) => void clock.after(0, run) : nextTurn();
  const later = (clock ?? systemClock).after;
  const drivers = new Map<string, DriverParty>();
  const executors = new Map<string, ExecutorParty>();

  /** One letter's way: as often, as late and as intact as its faults will have it. */
  const carry = (kind: MailKind, text: string, arrive: (text: string) => void) => {
    const { lose = 0, duplicate = 0, delay = 0, maxDelayMs = 20, corrupt = 0 } = faults[kind] ?? {};
    const happens = (rate: number) => rate > 0 && random!() < rate;
    for (let copies = happens(duplicate) ? 2 : 1; copies > 0; copies--) {
      if (happens(lose)) continue;
      const arriving = happens(corrupt) ? altered(text, random!()) : text;
      if (happens(delay)) later(random!() * maxDelayMs, () => arrive(arriving));
      else soon(() => arrive(arriving));
    }
  };
  const loseExecutor = (id: string, reason: string) => {
    if (executors.delete(id)) for (const driver of drivers.values()) soon(() => driver.gone(id, reason));
  };
  const loseDriver = (id: string) => {
    if (drivers.delete(id)) for (const executor of executors.values()) soon(() => executor.gone(id));
  };

  const driverChannel = (mail: Post, id: string): DriverChannel => ({
    async open(handlers) {
      drivers.set(id, {
        read(text) {
          const letter = mail.read(id, text);
          if (letter?.kind === 'result') call(handlers.result, letter.value);
          if (letter?.kind === 'heartbeat') call(handlers.heartbeat, letter.value);
        },
        gone: (executor, reason) => call(handlers.gone, executor, reason),
      });
      for (const { heartbeat } of executors.values())
        if (heartbeat) carry('heartbeat', heartbeat, (text) => drivers.get(id)?.read(text));
    },
    async send(messages) {
      const texts = messages.map((message) => mail.write('task', message.executor, message));
      messages.forEach((message, i) => {
        carry('task', texts[i]!, (text) => {
          const executor = executors.get(message.executor);
          executor?.waiting.push({ id: message.id, driver: id, text });
          executor?.take();
        });
      });
    },
    async control(executor, control) {
      carry('control', mail.write('control', executor, control), (text) => executors.get(executor)?.read(text));
    },
    async waiting(executor, ids) {
      const there = new Set(executors.get(executor)?.waiting.map((entry) => entry.id));
      return new Set(ids.filter((message) => there.has(message)));
    },
    async close() {
      loseDriver(id);
    },
  });

  const executorChannel = (mail: Post): ExecutorChannel => {
    let id = '';
    return {
      async open(info, seats, handlers) {
        id = info.id;
        let taken = 0;
        const run = async (message: SentMessage) => {
          taken++;
          try {
            await handlers.message(message);
          } catch (error) {
            warn(`message ${message.id} was not reported: ${(error as Error)?.message ?? error}`);
          }
          taken--;
          party.take();
        };
        const party: ExecutorParty = {
          waiting: [],
          take() {
            while (taken < seats && party.waiting.length > 0 && executors.get(id) === party) {
              const { driver, text } = party.waiting.shift()!;
              const letter = drivers.has(driver) ? mail.read(id, text) : undefined;
              if (letter?.kind === 'task') run(letter.value);
            }
          },
          read(text) {
            const letter = mail.read(id, text);
            if (letter?.kind === 'control') call(handlers.control, letter.value);
          },
          gone: (driver) => call(handlers.driverGone, driver),
        };
        executors.set(id, party);
      },
      async heartbeat(heartbeat) {
        const party = executors.get(id);
        if (!party) return;
        party.heartbeat = mail.write('heartbeat', ALL, heartbeat);
        for (const driver of drivers.keys())
          carry('heartbeat', party.heartbeat, (text) => drivers.get(driver)?.read(text));
      },
      async report(result) {
        carry('result', mail.write('result', result.driver, result), (text) => drivers.get(result.driver)?.read(text));
      },
      async close(reason) {
        loseExecutor(id, reason);
      },
    };
  };

  const as = (secret: string | undefined, warned = warn): TaskQueue => {
    const mail = post(secret, warned);
    return { driver: (id) => driverChannel(mail, id), executor: () => executorChannel(mail) };
  };
  return {
    ...as(options.secret),
    as,
    loseExecutor,
    loseDriver,
    get left() {
      return { drivers: drivers.size, executors: executors.size };
    },
  };
}

/** Runs everything asked for in one turn of the event loop, in order, in the next. */
function nextTurn(): (run: () => void) => void {
  let batch: (() => void)[] = [];
  const flush = () => {
    const due = batch;
    batch = [];
    for (const run of due) run();
  };
  return (run) => {
    if (batch.push(run) === 1) setImmediate(flush);
  };
}

function altered(text: string, where: number): string {
  const i = Math.floor(where * text.length);
  return text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) ^ 1) + text.slice(i + 1);
}
