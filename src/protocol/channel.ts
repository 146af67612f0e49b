import type { ResultMessage, TaskMessage } from './task.js';
import type { SentMessage } from './template.js';

/**
 * The narrow waist between the driver and what runs its tasks. Two implementations: in memory (`local[N]`) and
 * BullMQ on Redis; one contract suite (`scheduler/queue/contract.ts`) runs against both. Nothing else knows which is in use.
 *
 * Failure model: any message may be delivered twice, late, or never. The driver re-sends what is neither waiting in the
 * queue nor held by its executor; results are idempotent. The queue is never the truth of a job.
 */
export interface SlotInfo {
  readonly index: number;
  readonly device: 'cpu' | 'gpu';
  /** Of a GPU slot: what `CUDA_VISIBLE_DEVICES` takes, and its name for people. Several slots may share one. */
  readonly gpu?: { readonly id: string; readonly name: string };
}

export interface ExecutorInfo {
  readonly id: string;
  /** Identity of the machine: executors of one host share files. */
  readonly host: string;
  readonly hostname: string;
  readonly pid: number;
  readonly slots: readonly SlotInfo[];
  readonly blockUrl: string;
  /** Architecture and processor, for people. What decides a network's bits is the compute backend's own fingerprint. */
  readonly fingerprint: string;
  /** Of Sheaf (version.ts). A driver takes executors of its own version only: older ones do not even say theirs. */
  readonly version?: string;
}

export interface Heartbeat {
  readonly executor: ExecutorInfo;
  /** Ids of messages received and not yet reported. */
  readonly holding: readonly string[];
  readonly at: number;
}

export type Control =
  /** Stop these messages, running, queued or still to come. */
  | { readonly kind: 'cancel'; readonly driver: string; readonly messages: readonly string[] }
  /** Drop blocks and residents of a scope. */
  | { readonly kind: 'release'; readonly scope: string }
  | { readonly kind: 'stop'; readonly reason: string };

export interface DriverChannel {
  /** Handlers are called one at a time, in the driver's event loop. */
  open(handlers: {
    result(message: ResultMessage): void;
    heartbeat(heartbeat: Heartbeat): void;
    /** The executor's lease ended, or it said goodbye. */
    gone(executor: string, reason: string): void;
  }): Promise<void>;
  /** Of a message whose template is installed a `Repetition` travels. */
  send(messages: readonly TaskMessage[]): Promise<void>;
  control(executor: string, control: Control): Promise<void>;
  /** Of these messages, sent to this executor, those still waiting in its queue (not yet taken). */
  waiting(executor: string, ids: readonly string[]): Promise<Set<string>>;
  /** Gives up the driver's lease and removes all that is the driver's. */
  close(): Promise<void>;
}

export interface ExecutorChannel {
  /**
   * `message` resolves when the message's tasks have been reported; at most `seats` are open at a time.
   * `driverGone` is called when a driver's lease ends: its tasks, blocks and residents are of no use to anybody.
   */
  open(
    info: ExecutorInfo,
    seats: number,
    handlers: {
      message(message: SentMessage): Promise<void>;
      control(control: Control): void;
      driverGone(driver: string): void;
    },
  ): Promise<void>;
  heartbeat(heartbeat: Heartbeat): Promise<void>;
  report(result: ResultMessage): Promise<void>;
  /** Says goodbye and removes all that is the executor's. */
  close(reason: string): Promise<void>;
}

/** A queue as driver and executors see it: `memoryQueue()` or `redisQueue({ url, secret })`. */
export interface TaskQueue {
  /** @param id unique for the life of the queue, never used again */
  driver(id: string): DriverChannel;
  executor(): ExecutorChannel;
}
