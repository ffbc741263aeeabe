# The rules of `make lint-markdown`, for mdl(1): all rules, with these settings and exceptions.
all

# Tables, code and printed output cannot be wrapped.
rule 'MD013', line_length: 128, tables: false, ignore_code_blocks: true

# Nested lists are indented by the width of their marker.
rule 'MD007', indent: 2
rule 'MD029', style: :ordered

# Each version in the changelog may have the same headings.
rule 'MD024', allow_different_nesting: true

# Most code blocks hold commands, bytes on the network or printed text, which have no language.
exclude_rule 'MD040'

# The worked example at the end of docs/WIRE.md stands directly between its two markers.
exclude_rule 'MD031'
