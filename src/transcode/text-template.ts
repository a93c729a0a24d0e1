/** One part of a template: text as it stands, or a value by its name. */
export type TemplatePart = string | { readonly name: string };

/**
 * Reads a text in which `{name}` stands for a value, as in `/v1/{name}`; `{{` and `}}` are braces. Gives what is wrong
 * as a sentence.
 *
 *     Template = { "{{" | "}}" | "{" Name "}" | any other character } ;
 *     Name     = Ident { "." Ident } ;
 */
export function parseTextTemplate(text: string): readonly TemplatePart[] | string {
  const parts: TemplatePart[] = [];
  let literal = "";
  for (let at = 0; at < text.length;) {
    const char = text[at];
    if ((char === "{" || char === "}") && text[at + 1] === char) {
      literal += char;
      at += 2;
    } else if (char === "{") {
      const name = NAME.exec(text.slice(at))?.[1];
      if (name === undefined) return `column ${at + 1}: expected a name in braces such as {name}; {{ is a brace`;
      if (literal !== "") parts.push(literal);
      literal = "";
      parts.push({ name });
      at += name.length + 2;
    } else if (char === "}") {
      return `column ${at + 1}: found "}" without "{"; }} is a brace`;
    } else {
      literal += char;
      at++;
    }
  }
  if (literal !== "") parts.push(literal);
  return parts;
}

const NAME = /^\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}/;
