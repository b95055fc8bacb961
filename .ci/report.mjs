/**
 * Reads what vitest's JSON reporter has written.
 *
 *     report.mjs failed-files REPORT         the files in which something failed, a line each
 *     report.mjs summary FIRST [SECOND]      the second run is of the files that failed in the first
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** @returns undefined where there is no report: a step before the tests failed. */
function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

// A file that does not load has no tests of its own to count.
const failedFiles = (report) => report.testResults.filter(({ status }) => status === 'failed');
const failedTests = ({ assertionResults }) => assertionResults.filter(({ status }) => status === 'failed');
const countFailed = (file) => Math.max(1, failedTests(file).length);
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function summary(first, second) {
  if (first === undefined) return '0 passed, 1 failed';
  const failed = failedFiles(first);
  const passed = first.numPassedTests;
  if (second === undefined)
    return `${passed} passed, ${sum(failed.map(countFailed)) || (first.success ? 0 : 1)} failed`;
  const stillFailed = failedFiles(second);
  const passedBefore = passed - sum(failed.map(({ assertionResults }) => countPassed(assertionResults)));
  for (const file of failed)
    for (const { fullName } of failedTests(file))
      console.log(`failed at first: ${relative('.', file.name)}: ${fullName}`);
  return `${passedBefore + second.numPassedTests} passed, ${sum(stillFailed.map(countFailed))} failed`;
}

const countPassed = (tests) => tests.filter(({ status }) => status === 'passed').length;

const [what, ...paths] = process.argv.slice(2);
const reports = paths.map(read);
if (what === 'failed-files') {
  for (const { name } of reports[0] === undefined ? [] : failedFiles(reports[0])) console.log(relative('.', name));
} else console.log(summary(...reports));
