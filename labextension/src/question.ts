// Cells that ask: what is written into them.

/** What is asked about, and its language. */
export interface Quote {
  text: string;
  language: string;
}

/** A cell that asks `question` about what is quoted, exactly as it stands. */
export function asking(question: string, quotes: Quote[]): string {
  // Double braces in what is quoted are not to be evaluated.
  const raw = quotes.some(({ text }) => text.includes('{{')) ? ' --raw' : '';
  return [`%%glm${raw}\n${question}`, ...quotes.map(fenced)].join('\n\n');
}

function fenced({ text, language }: Quote): string {
  const longest = Math.max(2, ...(text.match(/`{3,}/g) ?? []).map(run => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text.replace(/\n+$/, '')}\n${fence}`;
}
