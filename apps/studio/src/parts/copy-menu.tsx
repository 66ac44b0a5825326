import { useState } from 'react';
import type { Order } from '../make/order.js';
import { type Language, SAMPLES } from '../make/samples.js';
import { API_URL } from '../session/session.js';

const LANGUAGES = Object.keys(SAMPLES) as Language[];

/** Copies a call that makes the same. */
export function CopyMenu({ order, label = 'Copy as' }: { readonly order: Order; readonly label?: string }) {
  const [copied, setCopied] = useState<Language>();
  const copy = async (language: Language) => {
    await navigator.clipboard.writeText(SAMPLES[language](order, API_URL.replace(/\/$/, '')));
    setCopied(language);
  };
  return (
    <fieldset className="copy">
      <legend>{label}</legend>
      {LANGUAGES.map((language) => (
        <button key={language} type="button" className="quiet" onClick={() => copy(language)}>
          {language}
        </button>
      ))}
      <span role="status" className="sr-only">
        {copied === undefined ? '' : `Copied as ${copied}`}
      </span>
    </fieldset>
  );
}
