import type { BlockLocation } from '../protocol/block.js';

/** An executor, as far as copying is concerned. */
export interface Host {
  readonly id: string;
  readonly host: string;
  readonly blockUrl: string;
}

export interface Copy<H extends Host = Host> {
  readonly from: BlockLocation;
  readonly to: H;
}

/** One executor of each host that has no copy yet: the executors of a host share its files. */
export function wanting<H extends Host>(executors: readonly H[], holders: readonly BlockLocation[]): H[] {
  const served = new Set(holders.map(({ host }) => host));
  return executors.filter(({ host }) => {
    if (served.has(host)) return false;
    served.add(host);
    return true;
  });
}

/**
 * The copies of one round: every holder serves one more host, so that the holders double and the driver serves no more than
 * one host a round. The latest holders begin, the first (the driver) comes last.
 */
export function nextRound<H extends Host>(holders: readonly BlockLocation[], hosts: readonly H[]): Copy<H>[] {
  const latestFirst = [...holders].reverse();
  return hosts.slice(0, latestFirst.length).map((to, i) => ({ from: latestFirst[i]!, to }));
}

/** Those that are still there, under the address they had. `own` is the driver's copy. */
export function aliveHolders(
  holders: readonly BlockLocation[],
  own: BlockLocation,
  executors: readonly Host[],
): BlockLocation[] {
  const urls = new Map(executors.map(({ id, blockUrl }) => [id, blockUrl]));
  return holders.filter((each) => each === own || urls.get(each.holder) === each.url);
}
