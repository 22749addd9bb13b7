"""Why a number is what it is: ledgers as text, and what other tools subtract instead."""
