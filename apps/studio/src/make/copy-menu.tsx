import { useEffect, useState } from 'react';
import { API_URL } from '../session.js';
import type { Order } from './order.js';
import { type Language, SAMPLES } from './samples.js';

const LANGUAGES = Object.keys(SAMPLES) as Language[];

/** How long it says what became of a copy. */
const TOLD_MS = 4_000;

/** Copies a call that makes the same. */
export function CopyMenu({ order, label = 'Copy as' }: { readonly order: Order; readonly label?: string }) {
  const [told, setTold] = useState<{ readonly text: string }>();
  useEffect(() => {
    if (told === undefined) return;
    const timer = setTimeout(() => setTold(undefined), TOLD_MS);
    return () => clearTimeout(timer);
  }, [told]);
  const copy = async (language: Language) => {
    const isCopied = await copyText(SAMPLES[language](order, API_URL.replace(/\/$/, '')));
    setTold({ text: isCopied ? `Copied as ${language}` : 'This browser does not let the page copy' });
  };
  return (
    <fieldset className="copy">
      <legend>{label}</legend>
      {LANGUAGES.map((language) => (
        <button key={language} type="button" className="quiet" onClick={() => copy(language)}>
          {language}
        </button>
      ))}
      <span role="status" className="hint">
        {told?.text}
      </span>
    </fieldset>
  );
}

/** Answers whether it worked. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have no navigator.clipboard for pages over plain HTTP, localhost aside.
    const focused = document.activeElement;
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return isCopied;
  }
}
