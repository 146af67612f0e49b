/**
 * Finds which nodes of a graph can be reached from which.
 *
 * Shows: an iteration of join, union and distinct until nothing is added, each round kept and the one before it dropped.
 * Data: --edges generated edges (default 120) between --nodes nodes (default 100).
 * Expected: 732 pairs, the same as a search from every node finds.
 */
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';
import { random } from './support/random.js';

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: { nodes: { type: 'string', default: '100' }, edges: { type: 'string', default: '120' } },
  });
  const graph = edgesOf(Number(values.nodes), Number(values.edges));
  let paths = sc.parallelize(graph).distinct().cache();
  // Joined by the end of a path and the beginning of an edge: edges are keyed backwards, paths turned round.
  const edges = paths.map(([from, to]) => [to, from]).cache();
  let rounds = 0;
  for (let before = 0, now = await paths.count(); now !== before; rounds++) {
    const shorter = paths;
    const longer = paths.join(edges).map(([, [to, from]]) => [from, to]);
    paths = paths.union(longer).distinct(4).cache();
    [before, now] = [now, await paths.count()];
    shorter.unpersist();
  }
  return { rounds, paths: await paths.count(), fromZero: (await paths.lookup(0)).sort((a, b) => a - b) };
}

export function edgesOf(nodes: number, edges: number): [from: number, to: number][] {
  const next = random(edges);
  return Array.from({ length: edges }, () => [Math.floor(nodes * next()), Math.floor(nodes * next())]);
}
