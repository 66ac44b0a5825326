import { useEffect, useState } from 'react';
import { API_URL } from '../session.js';
import type { JobRequest } from './request.js';
import { type Language, SAMPLES } from './samples.js';

const LANGUAGES = Object.keys(SAMPLES) as Language[];

/** How long the result of copying is shown. */
const SHOWN_MS = 4_000;

/** Copies code that sends the same request. */
export function CopyMenu({ request, label = 'Copy as' }: { readonly request: JobRequest; readonly label?: string }) {
  const [status, setStatus] = useState<{ readonly text: string }>();
  useEffect(() => {
    if (status === undefined) return;
    const timer = setTimeout(() => setStatus(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [status]);
  const copy = async (language: Language) => {
    const isCopied = await copyText(SAMPLES[language](request, API_URL.replace(/\/$/, '')));
    setStatus({ text: isCopied ? `Copied as ${language}` : 'This browser does not allow copying' });
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
        {status?.text}
      </span>
    </fieldset>
  );
}

/** Resolves to whether it worked. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers offer navigator.clipboard only over HTTPS and on localhost.
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
