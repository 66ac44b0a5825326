import { script } from '@bomb.sh/tab';

/**
 * The bash script. It passes the words to `comfy-fleet complete` literally: it runs nothing that was typed, and opens no file
 * that the line redirects to. It needs only bash 4.4.
 */
export const BASH_SCRIPT = `# bash completion for comfy-fleet

# Collects the words up to the cursor, without redirections and outer quotes. It joins words again that bash splits at = and :.
# Fails if the cursor is at the file name of a redirection.
__comfy_fleet_words() {
    local line=\${COMP_LINE:0:COMP_POINT} at piece glued redirect=none
    words=()
    for ((at = 0; at <= COMP_CWORD; at++)); do
        glued=1
        [[ $line == [[:space:]]* || $at -eq 0 ]] && glued=0
        line=\${line#"\${line%%[![:space:]]*}"}
        piece=\${COMP_WORDS[at]}
        ((at == COMP_CWORD)) && piece=$line
        line=\${line#"$piece"}
        if [[ $piece == *[\\<\\>]* && $piece != *[!0-9\\<\\>\\&\\|\\(]* ]]; then
            # the 2 of 2>
            ((glued)) && [[ \${words[-1]} != *[!0-9]* ]] && unset 'words[-1]'
            redirect=operator
            continue
        fi
        if [[ $redirect == operator || ( $redirect == target && $glued -eq 1 ) ]]; then
            redirect=target
            continue
        fi
        redirect=none
        if [[ $piece == [\\"\\']* ]]; then
            [[ \${#piece} -gt 1 && $piece == *"\${piece:0:1}" ]] && piece=\${piece%?}
            piece=\${piece#?}
        fi
        if ((glued)); then words[-1]+=$piece; else words+=("$piece"); fi
    done
    [[ $redirect == none ]]
}

__comfy_fleet_complete() {
    local words out directive typed before value description
    COMPREPLY=()
    __comfy_fleet_words || return
    out=$(comfy-fleet complete -- "\${words[@]:1}" 2>/dev/null)
    directive=\${out##*:}
    [[ $directive =~ ^[0-9]+$ ]] || return
    ((directive & 2)) && compopt -o nospace
    ((directive & 4)) && compopt +o default
    ((directive & 32)) && compopt -o nosort
    # In a word with = or :, bash replaces only the last part.
    typed=\${words[-1]}
    [[ $typed == --*=* ]] && typed=\${typed#*=}
    before=\${typed%"$2"}
    while IFS=$'\\t' read -r value description; do
        [[ -n $value && $value == "$typed"* ]] && COMPREPLY+=("\${value#"$before"}")
    done <<< "\${out%:*}"
}

# Without these options bash would not complete file names.
complete -o bashdefault -o default -F __comfy_fleet_complete comfy-fleet`;

/** The zsh script evaluates this part again with the typed text in it, so we quote the text. */
const TYPED = '{BASH_REMATCH}"';
const QUOTED = '{(q)BASH_REMATCH}"';

/** The script for zsh or fish. */
export function libraryScript(shell: 'zsh' | 'fish', program: string): string {
  const { log } = console;
  let text = '';
  // the library can only print the script
  console.log = (written: string) => {
    text += written;
  };
  try {
    script(shell, program, program);
  } finally {
    console.log = log;
  }
  return text.replace(TYPED, QUOTED).trimEnd();
}
