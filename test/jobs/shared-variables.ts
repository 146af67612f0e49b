/** Shared variables in a bundled job, whose module-level functions resolve in the executors' copy of the bundle. */
import { Broadcast, type NumberAccumulator, type SheafContext } from 'sheaf';

class Table {
  constructor(readonly names: readonly string[]) {}
  name(x: number): string | undefined {
    return this.names[x];
  }
}

const known = (x: number, table: Broadcast<Table>, unknown: NumberAccumulator): boolean => {
  if (table.value.name(x) === undefined) unknown.add(1);
  return table.value.name(x) !== undefined;
};

export default async function main(sc: SheafContext) {
  const table = sc.broadcast(new Table(['zero', 'one', 'two']));
  const unknown = sc.longAccumulator('unknown');
  const rdd = sc
    .range(0, 10, 1, 3)
    .filter((x) => known(x, table, unknown))
    .map((x) => table.value.name(x));
  const names = await rdd.collect();
  return { names, unknown: unknown.value, isBroadcast: table instanceof Broadcast };
}
