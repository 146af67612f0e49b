/** Kills an executor when the map stage is done and the reduce stage has begun. */
import type { SheafContext } from 'sheaf';

export default async function main(sc: SheafContext) {
  let stages = 0;
  let killed = false;
  let lost = 0;
  sc.bus.listen((event) => {
    if (event.event === 'executor-lost') lost++;
    if (event.event === 'stage-start') stages++;
    if (killed || event.event !== 'stage-end' || stages !== 1) return;
    killed = true;
    process.kill(sc.tasks.executors()[0]!.pid, 'SIGKILL');
  });
  const plus = (a: number, b: number) => a + b;
  const byRest = sc.range(0, 100, 1, 64).map((row): [number, number] => [row % 7, row]);
  const sum = await byRest.reduceByKey(plus, 4).values().reduce(plus);
  return { sum, killed, lost };
}
