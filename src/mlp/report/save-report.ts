import { extname } from 'node:path';
import { writeWhole } from '../formats/write-whole.js';
import { checkForms, FLAG, type Form, type Forms } from '../options.js';
import { reportHtml } from './html.js';
import { drawReport, pngOf } from './picture.js';
import { reportData, type TrainingReport } from './report.js';
import { svgOf } from './svg.js';

export interface ReportOptions extends Omit<TrainingReport, 'model'> {
  /** Replace what is at the path. Default false. */
  readonly overwrite?: boolean;
}

const object: Form = [(value) => typeof value === 'object' && value !== null, 'an object'];

const FORMS: Forms<ReportOptions> = {
  overwrite: FLAG,
  title: [(value) => typeof value === 'string', 'a text'],
  evaluation: object,
  history: [Array.isArray, 'an array of reports'],
  facts: object,
};

const KINDS: Readonly<Record<string, (report: TrainingReport) => string | Promise<Uint8Array>>> = {
  '.html': (report) => reportHtml(reportData(report)),
  '.png': (report) => pngOf(drawReport(reportData(report))),
  '.svg': (report) => svgOf(drawReport(reportData(report))),
};

/**
 * @param path of a local file; its ending says what it becomes
 * @throws TypeError for another ending and for options that are not known; SourceError when the file exists and `overwrite`
 *   is not set
 */
export async function saveReport(model: TrainingReport['model'], path: string, options: ReportOptions): Promise<void> {
  const { overwrite, ...rest } = checkForms('report', options, FORMS);
  const write = KINDS[extname(path).toLowerCase()];
  if (!write)
    throw new TypeError(`a report becomes a file ${Object.keys(KINDS).join(', ')} by its ending, not ${path}`);
  await writeWhole(path, await write({ model, ...rest }), overwrite);
}
