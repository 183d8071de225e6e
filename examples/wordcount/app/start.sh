#!/bin/sh
# Counts the words of text.txt, writes them to result.txt and prints the ten most frequent.
set -eu
tr -cs 'A-Za-z' '\n' < text.txt | tr 'A-Z' 'a-z' | grep . | sort | uniq -c | sort -k1,1nr -k2 > result.txt
echo "$(grep -c . result.txt) different words; the most frequent:"
head -n 10 result.txt
