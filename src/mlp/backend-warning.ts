import type { SheafContext } from '../rdd/context.js';
import { executorOf, type SlotKey } from '../scheduler/task-set.js';
import type { ComputeBackend } from './backend.js';
import { shortList } from './columns.js';

/** Why a slot computes more slowly than it might: JSON, on the way to the driver. */
export type Shortcomings = Pick<ComputeBackend, 'fallback' | 'shortfall'>;

export function shortcomingsOf({ fallback, shortfall }: ComputeBackend): Shortcomings {
  return { ...(fallback && { fallback }), ...(shortfall && { shortfall }) };
}

/** What has been said of executors, by application. */
const told = new WeakMap<SheafContext, Set<string>>();

/** Says what an application's slots lack, of each executor once. */
export function warnOfShortcomings(
  context: SheafContext,
  slots: readonly (Shortcomings & { readonly at: SlotKey })[],
): void {
  const before = told.get(context) ?? new Set();
  told.set(context, before);
  const hosts = new Map(context.tasks.executors().map(({ id, hostname }) => [id, hostname]));
  const named = slots.map((slot) => {
    const id = executorOf(slot.at);
    const executor = hosts.has(id) ? `${id} on ${hosts.get(id)}` : id;
    return { ...slot, executor };
  });
  for (const message of warningsOf(named, context.conf.get('sheaf.backend') === 'auto', before))
    context.bus.emit({ event: 'warning', message });
}

/**
 * One text for all executors that lack the same.
 * @param auto whether nobody asked for WebAssembly
 * @param before what has been said; what is said now is added
 */
export function warningsOf(
  slots: readonly (Shortcomings & { readonly executor: string })[],
  auto: boolean,
  before: Set<string>,
): string[] {
  const texts = new Map<string, string[]>();
  for (const { executor, fallback, shortfall } of slots) {
    const text = auto && fallback ? fallbackText(fallback) : shortfall && shortfallText(shortfall);
    if (!text || before.has(`${executor}: ${text}`)) continue;
    before.add(`${executor}: ${text}`);
    texts.set(text, [...(texts.get(text) ?? []), executor]);
  }
  return [...texts].map(([text, executors]) => {
    const where = executors.length > 1 ? 'executors' : 'executor';
    return `${where} ${shortList(executors)}: ${text}`;
  });
}

const fallbackText = (why: string) => `${why}. Until then networks compute there on WebAssembly, several times slower`;
const shortfallText = (why: string) => `GPU slots compute on the CPU: ${why}`;
